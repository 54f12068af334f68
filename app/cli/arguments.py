"""The arguments of `buri`: a table of verbs, and the parser made from it.

One line of the table names the function that carries the verb out; it is imported only when the verb is used, so that
`buri status` loads neither engine nor server. Called by app/cli/main.py.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from app.cli.outcome import CommandError, ExitCode

SHARED_WORD_HELP = "the password; `-` asks for it or reads one line, so that it does not show in the process list"
NETWORK_HELP = "a network's name or its number (0123-456-789)"
PEER_HELP = "a peer's nickname, alias or virtual address"
MEMBER_HELP = "a member's nickname or virtual address"


class Verb(NamedTuple):
    """One verb: what it is called, what it does, who carries it out, and what follows it on the line."""

    name: str
    group: str
    summary: str
    run: str
    """`module:function` below app.cli; the function takes the parsed arguments and gives the exit code."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    aliases: tuple[str, ...] = ()


def _nothing(_: argparse.ArgumentParser) -> None:
    pass


def _up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", metavar="HOST[:PORT]", help="the mediation server; remembered")
    parser.add_argument("--fingerprint", metavar="SHA256:...", help="of the server's key, as its operator tells it")
    parser.add_argument(
        "--public-host",
        metavar="HOST",
        help="how others reach the server, if it runs on this computer or behind the same router; remembered",
    )
    parser.add_argument("--invite", metavar="LINK", help="a buri:// link: server, fingerprint and network in one")
    parser.add_argument("--nickname", metavar="NAME", help="how others see this computer; by default its host name")
    parser.add_argument("--suite", type=int, choices=(1, 2), help="the crypto suite: 2 is the default")
    parser.add_argument(
        "--key-file", action="store_true", help="keep the private key in a file, not in the system's keyring"
    )
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="first line: the passphrase of the private key's file"
    )
    parser.add_argument("--helper-socket", type=Path, metavar="PATH", help="where the privileged helper listens")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="error")
    parser.add_argument("--offline", action="store_true", help="start without logging in")


def _gui(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("link", metavar="LINK", nargs="?", help="a buri:// invite link to open")
    parser.add_argument("--hidden", action="store_true", help="start with the tray icon alone")
    parser.add_argument(
        "--key-file", action="store_true", help="keep the private key in a file, not in the system's keyring"
    )
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="first line: the passphrase of the private key's file"
    )
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), help="by default as chosen in the preferences"
    )


def _proxy(parser: argparse.ArgumentParser) -> None:
    wishes = ("show", "set", "system", "none", "script", "test")
    parser.add_argument("wish", nargs="?", choices=wishes, default="show", help="by default `show`")
    parser.add_argument("place", metavar="PLACE", nargs="?", help="`set`: HOST:PORT; `script`: a web address or path")
    parser.add_argument("--user", metavar="NAME", help="the password is asked for, or read from standard input")


def _port_mapping(parser: argparse.ArgumentParser) -> None:
    words = {"on": "ask the router to open a port for this computer", "off": "close it and ask no more"}
    described = "; ".join(f"{word}: {meaning}" for word, meaning in words.items())
    parser.add_argument("wish", nargs="?", choices=tuple(words), help=f"{described}; without: tell which holds")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report", action="store_true", help="print all that the running engine knows, without secrets, to show around"
    )


def _nickname(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("nickname", metavar="NAME")


def _network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help=NETWORK_HELP)


def _follow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="show it again after each change, until Ctrl-C")


def _list(parser: argparse.ArgumentParser) -> None:
    _optional_network(parser)
    _follow(parser)


def _optional_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", nargs="?", help=NETWORK_HELP)


def _new_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="the name of the new network")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("password", metavar="PASSWORD", nargs="?", help=SHARED_WORD_HELP)
    secret.add_argument("--invite-only", action="store_true", help="no password; others need a link of `buri invite`")


def _join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="the network's name, or an invite link (buri://...)")
    parser.add_argument("password", metavar="PASSWORD", nargs="?", help=SHARED_WORD_HELP)


def _set_password(parser: argparse.ArgumentParser) -> None:
    _network(parser)
    parser.add_argument("password", metavar="PASSWORD", nargs="?", help=f"{SHARED_WORD_HELP}; without: no password")


def _set_access(parser: argparse.ArgumentParser) -> None:
    _network(parser)
    parser.add_argument(
        "access",
        nargs="*",
        type=_access,
        metavar="lock|unlock|manual|auto",
        help="lock: nobody can join; manual: each new member waits for `buri approve`",
    )
    parser.add_argument("--limit", type=_between(0, 65_535), metavar="N", help="members at most; 0: the server's limit")


def _member(parser: argparse.ArgumentParser) -> None:
    _network(parser)
    parser.add_argument("member", metavar="MEMBER", help=MEMBER_HELP)


def _banned(parser: argparse.ArgumentParser) -> None:
    _network(parser)
    parser.add_argument("member", metavar="ADDRESS", help="the virtual address of the banned account")


def _evict(parser: argparse.ArgumentParser) -> None:
    _member(parser)
    parser.add_argument("--ban", action="store_true", help="for good: it can't ask again")


def _rename(parser: argparse.ArgumentParser) -> None:
    _member(parser)
    parser.add_argument("nickname", metavar="NAME", nargs="?", help="the name in this network; without: its own again")


def _peer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("peer", metavar="PEER", help=PEER_HELP)


def _alias(parser: argparse.ArgumentParser) -> None:
    _peer(parser)
    parser.add_argument("alias", metavar="NAME", nargs="?", default="", help="without: the nickname again")


def _ping(parser: argparse.ArgumentParser) -> None:
    _peer(parser)
    parser.add_argument("-c", "--count", type=_between(0, 1_000_000), default=4, metavar="N", help="0: until Ctrl-C")
    parser.add_argument("-i", "--interval", type=_seconds(0.01, 3_600), default=1.0, metavar="SECONDS")
    parser.add_argument("-s", "--size", type=_between(0, 1_200), default=56, metavar="BYTES")


def _chat(parser: argparse.ArgumentParser) -> None:
    _peer(parser)
    parser.add_argument("--network", action="store_true", help="PEER names a network: talk with all its members")
    parser.add_argument("text", metavar="TEXT", nargs="*", default=[], help="what to say; without: show what was said")
    parser.add_argument("-f", "--follow", action="store_true", help="go on listening; send the lines that are typed")


def _chat_history(parser: argparse.ArgumentParser) -> None:
    words = {"on": "keep it on this computer", "off": "delete it and keep none", "clear": "delete it"}
    described = "; ".join(f"{word}: {meaning}" for word, meaning in words.items())
    parser.add_argument("wish", nargs="?", choices=tuple(words), help=f"{described}; without: tell which holds")


def _verify(parser: argparse.ArgumentParser) -> None:
    _peer(parser)
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument("--yes", action="store_true", help="the numbers are the same at both ends: mark as verified")
    answer.add_argument("--no", action="store_true", help="take the mark away")


def _accept_key(parser: argparse.ArgumentParser) -> None:
    _peer(parser)
    parser.add_argument("--yes", action="store_true", help="without asking; only if you know why the key changed")


def _identity(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    common = common_options()
    show = actions.add_parser("show", parents=[common], help="fingerprint, addresses, where the private key is kept")
    backup = actions.add_parser("backup", parents=[common], help="write the private key to a file, with a passphrase")
    backup.add_argument("file", type=Path, metavar="FILE", help="must not exist")
    restore = actions.add_parser("restore", parents=[common], help="take the private key of a backup")
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--replace", action="store_true", help="also if there is another identity here already")
    new = actions.add_parser("new", parents=[common], help="make a new identity: a new account, a new address")
    new.add_argument("--replace", action="store_true", help="give up the identity that is here")
    for action in (backup, restore):
        action.add_argument(
            "--backup-passphrase-file", type=Path, metavar="FILE", help="first line: the passphrase of the backup"
        )
    for action in (restore, new):
        action.add_argument("--key-file", action="store_true", help="keep it in a file, not in the system's keyring")
    for action in (show, backup, restore, new):
        action.add_argument(
            "--passphrase-file", type=Path, metavar="FILE", help="first line: the passphrase of the private key's file"
        )


ENGINE, NETWORKS, OWNER, PEERS, ROLES = (
    "This computer",
    "Networks",
    "Networks of your own",
    "Peers",
    "Roles",
)

VERBS = (
    Verb("gui", ENGINE, "the desktop app: window and tray icon", "gui:run", _gui),
    Verb("up", ENGINE, "run the engine here until Ctrl-C", "up:run", _up),
    Verb("status", ENGINE, "how things stand", "account:status", _follow),
    Verb("login", ENGINE, "connect to the server and stay connected", "account:login", _nothing, ("logon",)),
    Verb("logout", ENGINE, "disconnect, and end all tunnels", "account:logout", _nothing, ("logoff",)),
    Verb("set-nick", ENGINE, "change the nickname", "account:set_nickname", _nickname),
    Verb("identity", ENGINE, "show, back up, restore or renew the identity", "identity:run", _identity),
    Verb("doctor", ENGINE, "find out what is wrong, and what to do", "doctor:run", _doctor),
    Verb("netcheck", ENGINE, "what routers, firewalls and proxies let through here", "netcheck:run", _nothing),
    Verb("proxy", ENGINE, "show, choose or try the HTTP proxy", "proxy:run", _proxy),
    Verb("port-mapping", ENGINE, "whether the router is asked to open a port", "netcheck:port_mapping", _port_mapping),
    Verb("list", NETWORKS, "all networks and their members", "networks:list_networks", _list),
    Verb("network", NETWORKS, "one network in full", "networks:show_network", _network),
    Verb("create", NETWORKS, "make a network", "networks:create", _new_network),
    Verb("join", NETWORKS, "join a network, by name or invite link", "networks:join", _join, ("do-join",)),
    Verb("leave", NETWORKS, "leave a network", "networks:leave", _network),
    Verb("go-online", NETWORKS, "be online in a network", "networks:go_online", _network),
    Verb("go-offline", NETWORKS, "be offline in a network", "networks:go_offline", _network),
    Verb("invite", NETWORKS, "a link for others, to the server or a network", "networks:invite", _optional_network),
    Verb("delete", OWNER, "delete a network for all", "networks:delete", _network),
    Verb("set-pass", OWNER, "change or remove the password", "networks:set_password", _set_password),
    Verb("set-access", OWNER, "lock, unlock, manual or automatic approval", "networks:set_access", _set_access),
    Verb("approve", OWNER, "let a waiting computer in", "networks:approve", _member),
    Verb("reject", OWNER, "turn a waiting computer away", "networks:reject", _member),
    Verb("evict", OWNER, "put a member out", "networks:evict", _evict),
    Verb("unban", OWNER, "forget a ban", "networks:unban", _banned),
    Verb("rename", OWNER, "a member's name in one network", "networks:rename", _rename),
    Verb("peer", PEERS, "all about one peer", "peers:show_peer", _peer),
    Verb("alias", PEERS, "call a peer something on this computer only", "peers:set_alias", _alias),
    Verb("ping", PEERS, "measure the way through the tunnel", "peers:ping", _ping),
    Verb("chat", PEERS, "send a message, or listen and talk", "chat:run", _chat),
    Verb("chat-history", PEERS, "keep what was said, or delete it", "chat:history", _chat_history),
    Verb("verify", PEERS, "compare safety numbers", "peers:verify", _verify),
    Verb("accept-key", PEERS, "trust a peer's changed key", "peers:accept_key", _accept_key),
    Verb("block", PEERS, "no tunnel and no chat with a peer", "peers:block", _peer),
    Verb("unblock", PEERS, "let a blocked peer in again", "peers:unblock", _peer),
)

ROLE_SUMMARIES = {
    "server": "set up and run a mediation server; see `buri server --help`",
    "relay": "set up and run a relay of its own; see `buri relay --help`",
    "helper": "the privileged part; the system starts it",
}


class Parser(argparse.ArgumentParser):
    """argparse's parser, whose usage errors say where help is."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake as the CommandError that main shows, exit code 2."""
        if message.startswith("argument VERB: invalid choice: "):
            message = _no_such_verb(message.removeprefix("argument VERB: invalid choice: ").rpartition(" (choose")[0])
        raise CommandError(ExitCode.USAGE, "usage", f"{self.prog}: {message}", "", f"Try `{self.prog} --help`.")


def _no_such_verb(typed: str) -> str:
    """What to say instead of argparse's list of all verbs; `typed` is in quotes."""
    from difflib import get_close_matches  # only now: right verbs need not wait for it

    near = get_close_matches(typed[1:-1], [verb.name for verb in VERBS] + list(ROLE_SUMMARIES), n=2)
    return f"there is no verb {typed}" + (f"; did you mean {' or '.join(near)}?" if near else "")


def common_options() -> Parser:
    """What every verb takes. Without defaults of their own, so that they may stand before or after the verb."""
    options = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    options.add_argument("--home", type=Path, metavar="DIR", help="the engine's folder, if not the usual one")
    options.add_argument("--json", action="store_true", help="one JSON document, or one in each line for streams")
    return options


def build_parser() -> Parser:
    """The parser of all verbs but the roles, which parse their own arguments."""
    common = common_options()
    parser = Parser(
        prog="buri",
        usage="buri VERB [ARGUMENTS]",
        description="Private networks of your own: as if all computers stood in one room.",
        epilog=_overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    parser.add_argument("--version", action="store_true", help="show the version")
    verbs = parser.add_subparsers(dest="verb", prog="buri", metavar="VERB", help=argparse.SUPPRESS)
    for verb in VERBS:
        description = verb.summary[0].upper() + verb.summary[1:] + "."
        child = verbs.add_parser(verb.name, aliases=verb.aliases, parents=[common], description=description)
        verb.add_arguments(child)
        child.set_defaults(run=verb.run)
    return parser


def _overview() -> str:
    """The verbs in groups, for the end of the help."""
    lines: list[str] = []
    for group in (ENGINE, NETWORKS, OWNER, PEERS):
        lines += [group, *(f"  {verb.name:<13}{verb.summary}" for verb in VERBS if verb.group == group), ""]
    lines += [ROLES, *(f"  {name:<13}{summary}" for name, summary in ROLE_SUMMARIES.items()), ""]
    lines += ["`buri VERB --help` tells more of each. Without a verb: the status."]
    return "\n".join(lines)


def _access(word: str) -> str:
    # Not `choices`: before Python 3.12 argparse looks for the empty list among them when no word is given.
    if word not in ("lock", "unlock", "manual", "auto"):
        raise argparse.ArgumentTypeError(f"{word!r} is not one of lock, unlock, manual, auto")
    return word


def _between(lowest: int, highest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"must be {lowest} to {highest}")
        return value

    return number


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
    def seconds(text: str) -> float:
        value = float(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"must be {lowest:g} to {highest:g} seconds")
        return value

    return seconds
