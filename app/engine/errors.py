"""Every error that a person can meet: a code for programs; a title, what happened and what to do for people.

One flat class and one table of sentences, keyed by code. Protocol errors and the server's refusals are turned into it
once, at the engine's edge. The code travels to the command line, which ends with the exit code of `exit_code_of`:

    1  failed, and no other number fits          4  refused by the server, or by the engine's rules
    2  wrong usage (the command line's own)      5  no such network, member or peer, or more than one
    3  no engine runs (the command line's own)   6  nobody answered in time

Raised throughout the engine; shown by the command line and the UI. It may not hold secrets.
"""

import shlex
from typing import Final

from app.engine.netcheck_sentences import NETCHECK_SENTENCES
from app.engine.proxy_sentences import PROXY_SENTENCES
from app.engine.sentences import ExitKind, Sentences
from app.engine.state import Problem
from app.protocol.messages import HelloRefusal, Refusal

MAX_SENTENCE: Final = 512
"""Characters of a message or remedy; the command line takes no more."""


class EngineError(Exception):
    """Something a person asked for, or relies on, could not be done."""

    def __init__(
        self, code: str, title: str, message: str = "", remedy: str = "", details: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """`title` is one short sentence, `message` what happened, `remedy` what to do; none holds a secret.

        `details` is what the sentences name, by name.
        """
        super().__init__(f"{code}: {title} {message}".rstrip())
        self.code = code
        self.title = title
        self.message = message
        self.remedy = remedy
        self.details = details

    @property
    def exit_code(self) -> int:
        """The exit code of a command that ends with this error."""
        return exit_code_of(self.code)


_FAILED, _REFUSED, _NOT_FOUND, _NO_ANSWER = ExitKind.FAILED, ExitKind.REFUSED, ExitKind.NOT_FOUND, ExitKind.NO_ANSWER

_IDENTITY: Final = {
    "identity-lost": Sentences(
        "The private key of this account is missing.",
        "The settings name the identity {fingerprint}, but its key is not in {place}.",
        "Bring the key back, with `buri identity restore FILE` from a backup. Only if there is none: "
        "`buri identity new --replace` makes another identity, with another address, that must join its networks anew.",
    ),
    "identity-changed": Sentences(
        "The private key found is another one than this account's.",
        "The settings name the identity {fingerprint}, but {place} holds {found}.",
        "Bring the right key back with `buri identity restore FILE --replace`. Nothing was changed.",
    ),
    "identity-damaged": Sentences(
        "The private key of this account is damaged.",
        "What {place} holds can't be read: {reason}.",
        "Restore a backup with `buri identity restore FILE --replace`. Nothing was changed.",
    ),
    "identity-none": Sentences(
        "There is no identity here yet.",
        "This computer was not started with Buri so far.",
        "`buri up` makes one at its first start.",
        _NOT_FOUND,
    ),
    "identity-exists": Sentences(
        "There is an identity here already.",
        "This computer is {fingerprint}.",
        "Back it up with `buri identity backup FILE`, then repeat this with --replace.",
        _REFUSED,
    ),
    "identity-backup-unreadable": Sentences(
        "The backup can't be read.",
        "{place}: {reason}.",
        "Check the file's name and the passphrase, and try again. Nothing was changed.",
    ),
    "identity-file-unreadable": Sentences(
        "The file with the private key can't be read or written.",
        "{place}: {reason}.",
        "Repair the file's permissions or its disk, then start Buri again. No new identity was made.",
    ),
    "identity-file-open-to-others": Sentences(
        "Other users of this computer may read the private key.",
        "{place} has the permissions {mode}.",
        "Take them away with `chmod 600 {place}`, and start Buri again.",
    ),
    "keyring-unusable": Sentences(
        "The keyring of this computer can't be used.",
        "{backend} said: {reason}.",
        "Unlock or repair the keyring and try again. On a computer without one, keep the key in a file: add "
        "--key-file, and --passphrase-file FILE (or BURI_KEY_PASSPHRASE) to encrypt it.",
    ),
    "passphrase-needed": Sentences(
        "The private key's file is encrypted.",
        "{place} needs its passphrase.",
        "Give it with --passphrase-file FILE or in the environment variable BURI_KEY_PASSPHRASE.",
    ),
    "passphrase-wrong": Sentences(
        "The passphrase does not open the private key's file.",
        "{place}: wrong passphrase, or the file is damaged.",
        "Try again with the right passphrase, or restore a backup with `buri identity restore FILE --replace`.",
    ),
    "passphrase-unreadable": Sentences(
        "The passphrase can't be read.",
        "{place}: {reason}.",
        "The passphrase is the first line of the file, or the value of BURI_KEY_PASSPHRASE.",
    ),
}

_PROGRAM: Final = {
    "program-error": Sentences(
        "Something went wrong inside Buri.",
        "A part of the program failed: {reason}. The rest goes on.",
        "If it happens again, copy the report and send it to the makers.",
    ),
    "already-running": Sentences(
        "Buri runs already.",
        "{reason}.",
        "Stop that one first (it was perhaps started with `buri up`), or use another folder with --home.",
    ),
    "hosted-server-failed": Sentences(
        "The server on this computer does not run.",
        "{reason}.",
        "Mend what it says. While hosting is switched on, Buri tries again by itself.",
    ),
    "home-unusable": Sentences(
        "Buri's folder can't be used.", "{reason}.", "Repair its permissions, or choose another one with --home."
    ),
}

_FILES: Final = {
    "settings-broken": Sentences(
        "The settings can't be read.",
        "{place}: {reason}. The file was left as it is.",
        "Mend it, or move it away to start with fresh settings; the private key is not in it and stays.",
    ),
    "settings-too-new": Sentences(
        "The settings are of a newer version of Buri.",
        "{place} has version {version}; this program knows {known}.",
        "Start the newer Buri again, or move the file away to start with fresh settings.",
    ),
    "setting-not-valid": Sentences(
        "This can't be set.",
        "{reason}.",
        "Give another value; nothing was changed.",
    ),
    "state-broken": Sentences(
        "What this computer knows of peers and networks can't be read.",
        "{place}: {reason}. The file was left as it is.",
        "Bring it back from a backup. Without one, move it away: peers' keys are then learnt again without a check "
        "against the old ones, and networks must be joined again.",
    ),
    "file-not-written": Sentences(
        "A file could not be written.",
        "{place}: {reason}.",
        "Make room on the disk or repair the permissions; what was there before is still there.",
    ),
    "chat-history-damaged": Sentences(
        "The chat history was damaged.",
        "It is put aside as {place}, and a new one was begun. Messages that waited in it may be lost.",
        "Check the disk. If you have a backup of the file, stop Buri and put it back under its old name.",
    ),
    "chat-history-unusable": Sentences(
        "The chat history can't be used.",
        "{place}: {reason}. What is said now is forgotten when Buri stops.",
        "Repair the file's permissions or its disk, then start Buri again.",
    ),
}

_CONNECTION: Final = {
    "server-not-configured": Sentences(
        "No server is set.",
        "This computer does not know its mediation server yet.",
        "Start with an invite link: `buri up --invite LINK`, or with `buri up --server HOST --fingerprint SHA256:...`.",
    ),
    "server-unreachable": Sentences(
        "The server can't be reached.",
        "{server}: {reason}.",
        "Check the name and the network. Buri tries again by itself; tunnels that are up stay up.",
        _NO_ANSWER,
    ),
    "server-no-answer": Sentences(
        "The server did not answer in time.",
        "{server} kept silent.",
        "Try again in a moment.",
        _NO_ANSWER,
    ),
    "server-wrong-key": Sentences(
        "This is not the server that was expected.",
        "{server} could not prove to be {fingerprint}.",
        "Ask the server's operator for its fingerprint. If it is another one now, set it with "
        "`buri up --fingerprint SHA256:...`; if not, somebody stands between you and the server.",
        _REFUSED,
    ),
    "server-no-suite": Sentences(
        "The server does not know this crypto suite.",
        "Suite {suite} was refused.",
        "Choose the other one with `buri up --suite`, or ask the operator to update the server.",
        _REFUSED,
    ),
    "server-busy": Sentences(
        "The server is busy.", "It takes no more connections for now.", "Buri tries again by itself.", _NO_ANSWER
    ),
    "server-too-old": Sentences(
        "Server and program do not speak the same version.",
        "The server refused this program's protocol version.",
        "Update Buri, or ask the operator to update the server.",
        _REFUSED,
    ),
    "server-lost": Sentences(
        "The connection to the server broke.",
        "{server} closed it or went silent.",
        "Buri tries again by itself; tunnels that are up stay up.",
        _NO_ANSWER,
    ),
    "server-restarts": Sentences(
        "The server restarts.", "{server} said so and asked to come back.", "Buri does that by itself.", _NO_ANSWER
    ),
    "server-replaced": Sentences(
        "This account logged in from elsewhere.",
        "{server} ended this connection for another one with the same identity.",
        "Run one engine for each identity; a second computer needs an identity of its own.",
        _REFUSED,
    ),
    "server-protocol": Sentences(
        "The server said something that is not allowed.",
        "{reason}.",
        "Buri tries again by itself. If it stays, server and program may be of different versions.",
    ),
    "not-logged-in": Sentences(
        "Not connected to the server.",
        "This needs the server's help.",
        "Connect with `buri login`, and see `buri status`.",
        _REFUSED,
    ),
    "helper-missing": Sentences(
        "Buri's helper does not run.",
        "{reason}.",
        'Start it: `sudo buri helper --user "$(id -u)"`, or `sudo systemctl start buri-helper` where it is a service.',
    ),
    "helper-by-hand": Sentences(
        "Buri can't start its helper by itself here.",
        "Type in a terminal: {command}",
        "That asks for an administrator's consent, for which this system has no window.",
    ),
    "nothing-opens": Sentences(
        "Nothing on this computer opens this.",
        "It is: {target}",
        "Copy it, and open it with a program of your choice.",
    ),
    "helper-lost": Sentences(
        "Buri's helper went away.",
        "The adapter and all tunnels ended with it.",
        "Buri starts it again by itself. If it stays away, see its log and `buri doctor`.",
    ),
    "helper-failed": Sentences(
        "The helper could not do its part.", "{reason}.", "See `buri doctor`; a restart of the helper may mend it."
    ),
}

_ASKED: Final = {
    "peer-not-found": Sentences(
        "There is no such peer.", "Nobody here is called {name}.", "See `buri list` for names.", _NOT_FOUND
    ),
    "no-tunnel": Sentences(
        "There is no tunnel to this peer.", "{name} is {status}.", "See `buri peer {name}`.", _NO_ANSWER
    ),
    "peer-key-changed": Sentences(
        "This peer shows another key than before.",
        "{name} may have a new computer, or somebody stands in between.",
        "Ask the person. If the key did change: `buri accept-key {name}`, then compare with `buri verify {name}`.",
        _REFUSED,
    ),
    "peer-key-another": Sentences(
        "The server shows another key than the one to accept.",
        "The key of {name} has changed once more, or differs from network to network. Nothing was accepted.",
        "Look again with `buri peer {name}`, and ask the person.",
        _REFUSED,
    ),
    "peer-unproven": Sentences(
        "This peer could not prove that it belongs here.",
        "{name} does not know the secret of {networks}, so no tunnel rests on it.",
        "Let both join again with the right password or invite. If that is so already, the server lists a stranger.",
        _REFUSED,
    ),
    "network-owner-changed": Sentences(
        "The server names another owner for a network.",
        "{name} had another owner when this computer joined it; no tunnel may rest on it now.",
        "Ask the people in it. If it was made anew, leave it and join again.",
        _REFUSED,
    ),
    "network-evicted": Sentences(
        "The owner took you out of a network.",
        "You are no longer in {name}.",
        "You may ask to come back with `buri join {name}`; the owner must approve.",
        _REFUSED,
    ),
    "network-banned": Sentences(
        "The owner banned you from a network.",
        "You are no longer in {name}.",
        "Only its owner can let you in again. Ask the person.",
        _REFUSED,
    ),
    "network-deleted": Sentences(
        "A network was deleted by its owner.", "{name} is no longer there.", "Nothing needs to be done.", _NOT_FOUND
    ),
    "network-rejected": Sentences(
        "The owner turned your wish to join down.",
        "You were not let into {name}.",
        "Ask the person; then `buri join {name}` asks again.",
        _REFUSED,
    ),
    "peer-key-unknown": Sentences(
        "This peer's key is not known yet.", "{name} was not met so far.", "Try again once it is online.", _NOT_FOUND
    ),
    "chat-too-long": Sentences(
        "The message is too long.", "A message has at most {limit} bytes.", "Split it.", _REFUSED
    ),
    "chat-queue-full": Sentences(
        "Too many messages wait.", "{name} has not been reached for long.", "Wait until it is online.", _REFUSED
    ),
    "chat-nobody-there": Sentences(
        "There is nobody to write to.", "{name} has no other members yet.", "Invite somebody.", _REFUSED
    ),
    "chat-message-unknown": Sentences(
        "This message can't be tried again.", "It has not failed, or is no longer known.", "Write it anew.", _NOT_FOUND
    ),
    "password-needed": Sentences(
        "This network has a password.", "{name} asks for it.", "Join with `buri join {name} -` and type it.", _REFUSED
    ),
    "no-password-expected": Sentences(
        "The server says that this network has no password.",
        "A password was given for {name}, and it can't be checked.",
        "Join without one if that is right. If it should have one, the network or the server is not what you think.",
        _REFUSED,
    ),
    "secret-missing": Sentences(
        "This computer does not have the network's secret.",
        "{name} was not joined here, or got a password after that; no tunnel may rest on it yet.",
        "Join it again with `buri join {name} PASSWORD`, or with its invite link.",
        _REFUSED,
    ),
    "password-not-valid": Sentences("This password can't be used.", "{reason}.", "Choose another one.", _REFUSED),
    "passphrase-not-valid": Sentences("This passphrase can't be used.", "{reason}.", "Choose another one.", _REFUSED),
    "invite-not-valid": Sentences(
        "This invite link can't be used.", "{reason}.", "Copy it again, whole, from where you got it.", _REFUSED
    ),
    "invite-other-server": Sentences(
        "This invite link is for another server.",
        "It names {server}; this computer uses another one.",
        "Use another folder for it: `buri --home DIR up --invite LINK`.",
        _REFUSED,
    ),
    "secret-wrong": Sentences(
        "The network's secret does not open.",
        "The password did not open what the server keeps for {name}.",
        "Ask the owner for the password. If it is right, the server tampered with the network.",
        _REFUSED,
    ),
}

_REFUSALS: Final = {
    Refusal.NO_SUCH_ACCOUNT: Sentences(
        "The server does not know this account.",
        "It has no account with this key and address, or has removed it.",
        "Ask the operator. `buri identity new --replace` makes a new account.",
        _REFUSED,
    ),
    Refusal.WRONG_SIGNATURE: Sentences(
        "The server did not accept this computer's key.",
        "The account belongs to another key.",
        "Restore the right key with `buri identity restore FILE --replace`.",
        _REFUSED,
    ),
    Refusal.REGISTRATION_CLOSED: Sentences(
        "The server takes no new accounts.", "Registration is closed.", "Ask the operator to open it.", _REFUSED
    ),
    Refusal.TOO_MANY_REQUESTS: Sentences(
        "Too many tries.", "The server limits how often this may be asked.", "Wait a minute and try again.", _REFUSED
    ),
    Refusal.POOL_EXHAUSTED: Sentences(
        "The server has no addresses left.", "Its pool is used up.", "Ask the operator for a larger pool.", _REFUSED
    ),
    Refusal.INTERNAL: Sentences(
        "The server failed.", "It met an error of its own.", "Try again; if it stays, tell the operator."
    ),
    Refusal.NETWORK_NOT_FOUND: Sentences(
        "The server has no such network.",
        "Nobody made a network of this name here, or it was deleted.",
        "Check the name, or make it with `buri create`.",
        _NOT_FOUND,
    ),
    Refusal.NAME_TAKEN: Sentences(
        "This name is taken.", "The server has a network of this name.", "Choose another name, or join it.", _REFUSED
    ),
    Refusal.WRONG_PASSWORD: Sentences(
        "Wrong password.", "The server did not accept it.", "Ask the network's owner for the password.", _REFUSED
    ),
    Refusal.NETWORK_FULL: Sentences(
        "The network is full.", "It has as many members as it may have.", "Ask its owner to make room.", _REFUSED
    ),
    Refusal.NETWORK_LOCKED: Sentences(
        "The network is locked.", "It takes no new members.", "Ask its owner to unlock it.", _REFUSED
    ),
    Refusal.ALREADY_MEMBER: Sentences(
        "Already a member.", "This account is in the network.", "Nothing needs to be done; see `buri list`.", _REFUSED
    ),
    Refusal.NOT_A_MEMBER: Sentences(
        "Not a member.", "That account is not in the network.", "See `buri list`.", _NOT_FOUND
    ),
    Refusal.NOT_THE_OWNER: Sentences(
        "Only the owner may do this.", "Another account owns the network.", "Ask its owner.", _REFUSED
    ),
    Refusal.BANNED: Sentences(
        "Banned from this network.", "Its owner has put this account out for good.", "Ask the owner.", _REFUSED
    ),
    Refusal.TOO_MANY_NETWORKS: Sentences(
        "Too many networks.", "The server limits how many an account may have.", "Leave or delete one.", _REFUSED
    ),
    Refusal.PEER_NOT_FOUND: Sentences(
        "The server knows no such peer.",
        "No account with this address shares a network.",
        "See `buri list`.",
        _NOT_FOUND,
    ),
    Refusal.NOT_PENDING: Sentences(
        "Nobody waits under this name.", "That account does not ask to join.", "See `buri network`.", _NOT_FOUND
    ),
    Refusal.BAD_NAME: Sentences(
        "This name can't be used.",
        "A name has 1 to 64 characters that can be shown, and no control characters.",
        "Choose another name.",
        _REFUSED,
    ),
    Refusal.OWNER_MUST_STAY: Sentences(
        "The owner can't leave.", "A network needs its owner.", "Delete it for all with `buri delete`.", _REFUSED
    ),
    Refusal.PEER_OFFLINE: Sentences(
        "The peer is offline.", "The server does not see it.", "Try again when it is online.", _NO_ANSWER
    ),
    Refusal.NO_RELAY: Sentences(
        "The server has no relay.",
        "It can't carry what finds no direct path.",
        "Ask whoever runs the server to switch its relay on.",
        _REFUSED,
    ),
    Refusal.ALREADY_PENDING: Sentences(
        "Already waiting.", "The owner has not decided yet.", "Ask the owner to approve.", _REFUSED
    ),
}

_HELLO_REFUSALS: Final = {
    HelloRefusal.NO_SUCH_KEY: "server-wrong-key",
    HelloRefusal.NO_SUCH_SUITE: "server-no-suite",
    HelloRefusal.BUSY: "server-busy",
    HelloRefusal.TOO_OLD: "server-too-old",
}


def refusal_code(reason: Refusal) -> str:
    """The error code of a refusal: `refused-` and its name, as in `refused-wrong-password`."""
    return "refused-" + reason.name.lower().replace("_", "-")


SENTENCES: Final[dict[str, Sentences]] = {
    **_IDENTITY,
    **_PROGRAM,
    **_FILES,
    **_CONNECTION,
    **_ASKED,
    **NETCHECK_SENTENCES,
    **PROXY_SENTENCES,
    **{refusal_code(reason): sentences for reason, sentences in _REFUSALS.items()},
}
"""Every code and what is said for it."""


def engine_error(code: str, **details: object) -> EngineError:
    """The error of a code in `SENTENCES`, with its details filled in. Raises KeyError if one is missing: a bug.

    In a remedy details stand within commands, where a name that somebody else chose must be one harmless word.
    """
    sentences = SENTENCES[code]
    words = {name: shlex.quote(str(detail)) for name, detail in details.items()}
    message, remedy = sentences.message.format(**details), sentences.remedy.format(**words)
    told = tuple((name, str(detail)[:MAX_SENTENCE]) for name, detail in details.items())
    return EngineError(code, sentences.title, message[:MAX_SENTENCE], remedy[:MAX_SENTENCE], told)


def problem_of(error: EngineError) -> Problem:
    """An error as a snapshot shows it."""
    return Problem(error.code, error.title, error.message, error.remedy, error.details)


def refused(reason: Refusal) -> EngineError:
    """The error for what the server refused in AUTH or in a request."""
    return engine_error(refusal_code(reason))


def hello_refused(reason: HelloRefusal, server: str, fingerprint: str, suite: int) -> EngineError:
    """The error for a HELO that got NO from `server` (host and port), expected to have `fingerprint`."""
    return engine_error(_HELLO_REFUSALS[reason], server=server, fingerprint=fingerprint, suite=suite)


def exit_code_of(code: str) -> int:
    """The exit code of a command that ends with an error of this code; 1 for codes that are not in the table."""
    sentences = SENTENCES.get(code)
    return int(sentences.kind if sentences is not None else ExitKind.FAILED)
