"""An HTTP proxy as companies have them: squid on a computer of its own, which leads to port 443 and nowhere else.

Called by topology.py. Each connection that it led on stands in `access.log` of its home.
"""

import hashlib
from enum import Enum
from pathlib import Path

from tests.lab.machines import Machine
from tests.lab.processes import LabError, Process, tool, wait_until

USER, PASSWORD, REALM = "anna", "correct horse", "office"
HELPERS = "/usr/lib/squid"


class Authentication(Enum):
    """What the proxy asks of those who use it."""

    NONE = ""
    BASIC = f"""
auth_param basic program {HELPERS}/basic_ncsa_auth %s
auth_param basic realm {REALM}
"""
    DIGEST = f"""
auth_param digest program {HELPERS}/digest_file_auth -c %s
auth_param digest realm {REALM}
auth_param digest nonce_max_count 50
"""


CONFIGURATION = """
http_port 3128
visible_hostname proxy.example
pid_filename none
pinger_enable off
cache deny all
cache_mem 8 MB
netdb_filename none
shutdown_lifetime 0 seconds
coredump_dir {home}
cache_log {home}/cache.log
access_log stdio:{home}/access.log
logfile_rotate 0
{authentication}
acl web port 443
acl people {people}
http_access deny CONNECT !web
http_access allow people
http_access deny all
"""


class Proxy(Machine):
    """A computer that runs squid."""

    port = 3_128

    def go(self, authentication: Authentication = Authentication.NONE) -> Process:
        """Start squid; returns when it listens."""
        configuration = self.home / "squid.conf"
        configuration.write_text(
            CONFIGURATION.format(
                home=self.home,
                authentication=authentication.value and authentication.value % self._passwords(authentication),
                people="src all" if authentication is Authentication.NONE else "proxy_auth REQUIRED",
            )
        )
        self.give(configuration)
        self.process = self.start("squid", tool("squid"), "-N", "-f", str(configuration))
        wait_until(lambda: self.listens() or not self.process.is_running, "squid to listen")
        if not self.process.is_running:
            raise LabError(f"squid ended with {self.process.exit_code}:\n{self.process.output()}")
        return self.process

    def _passwords(self, authentication: Authentication) -> Path:
        """The file of those who may use it, as squid's helpers read it."""
        file = self.home / "passwords"
        if authentication is Authentication.BASIC:
            file.write_text(f"{USER}:{self.run(tool('openssl'), 'passwd', '-apr1', PASSWORD)}")
        else:
            digest = hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
            file.write_text(f"{USER}:{REALM}:{digest}\n")
        self.give(file)
        return file

    def listens(self) -> bool:
        """Is the port open?"""
        return f":{self.port}" in self.namespace.run(tool("ss"), "-Hltn", f"sport = :{self.port}")

    @property
    def place(self) -> str:
        """Host and port."""
        return f"{self.addresses.ipv4}:{self.port}"

    def led(self) -> list[str]:
        """The lines of squid's log about connections."""
        file = self.home / "access.log"
        return [line for line in file.read_text().splitlines() if " CONNECT " in line] if file.exists() else []
