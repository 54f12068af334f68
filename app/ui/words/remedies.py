"""What to do about a problem, in the window's words, where the engine's own words name a command of the terminal.

Templates like those of engine/errors.py, by its codes; translated when they are shown. Used by translations.py.
"""

from typing import Final


def _noted(text: str) -> str:
    """Marks a text for the catalogue; it is translated when it is shown."""
    return text


REMEDIES: Final[dict[str, str]] = {
    "identity-lost": _noted(
        "Bring the key back: Restore identity…, with a backup. Only if there is none, make a new identity; it gets "
        "another address and must join its networks anew."
    ),
    "identity-changed": _noted("Bring the right key back: Restore identity…, with a backup. Nothing was changed."),
    "identity-damaged": _noted("Restore identity…, with a backup. Nothing was changed."),
    "identity-none": _noted("Connect to a server; the identity is made then."),
    "identity-exists": _noted("Back it up first, then restore the other one."),
    "identity-file-open-to-others": _noted("Let nobody else read the file {place}, then try again."),
    "keyring-unusable": _noted(
        "Unlock or repair the keyring and try again. On a computer without one, the key can be kept in a file."
    ),
    "passphrase-needed": _noted("Type the passphrase."),
    "passphrase-wrong": _noted("Try again with the right passphrase, or restore a backup."),
    "already-running": _noted("Stop that one first; it was perhaps started in a terminal."),
    "home-unusable": _noted("Repair its permissions, then try again."),
    "server-not-configured": _noted("Start with an invite link, or enter a server."),
    "server-wrong-key": _noted(
        "Ask the server's operator for its fingerprint. If it is another one now, enter it in the preferences; if not, "
        "somebody stands between you and the server."
    ),
    "server-no-suite": _noted("Choose the other suite in the preferences, or ask the operator to update the server."),
    "proxy-unreachable": _noted("Check the proxy's name and port in the preferences."),
    "proxy-wants-credentials": _noted("Give them in the preferences."),
    "proxy-refused-credentials": _noted("Give the right ones in the preferences."),
    "proxy-not-a-proxy": _noted("Check the proxy's name and port in the preferences."),
    "proxy-script": _noted("Check its address in the preferences, or give the proxy itself by hand."),
    "proxy-not-valid": _noted("Proxies for HTTP are supported, those for SOCKS are not."),
    "netcheck-hard-not-asked": _noted(
        "To be reached directly by all, let Buri ask the router to open a port; that is switched off in the "
        "preferences, under Connection."
    ),
    "netcheck-blocked": _noted(
        "Check the internet connection. In a company's network, ask for the address of its HTTP proxy and give it in "
        "the preferences, under Connection."
    ),
    "not-logged-in": _noted("Switch Buri on with the switch at the top of the window."),
    "helper-missing": _noted("Start the helper. It needs an administrator's consent."),
    "helper-lost": _noted("Buri starts it again by itself. If it stays away, look at the diagnostics report."),
    "helper-failed": _noted("Look at the diagnostics report; a restart of the helper may mend it."),
    "peer-not-found": _noted("Look in the list for who is there."),
    "no-tunnel": _noted("Look at the details of {name}."),
    "peer-key-changed": _noted("Ask the person. If the key did change, accept it, and compare the safety number."),
    "peer-key-another": _noted("Look again at the details of {name}, and ask the person."),
    "network-evicted": _noted("You may join again to ask to come back; the owner must approve."),
    "network-rejected": _noted("Ask the person; joining again asks once more."),
    "password-needed": _noted("Type its password."),
    "secret-missing": _noted("Join it again with its password or its invite link."),
    "invite-other-server": _noted("Change the server first if you want to use that one."),
    "refused-no-such-account": _noted("Ask the operator. A new identity makes a new account."),
    "refused-wrong-signature": _noted("Restore the right key from a backup."),
    "refused-network-not-found": _noted("Check the name, or create it."),
    "refused-already-member": _noted("Nothing needs to be done."),
    "refused-not-a-member": _noted("Look in the list for who is a member."),
    "refused-peer-not-found": _noted("Look in the list for who is there."),
    "refused-not-pending": _noted("Look at who is waiting now."),
    "refused-owner-must-stay": _noted("Delete it for all instead."),
}
"""By the code of the error."""
