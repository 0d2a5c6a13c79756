"""A certificate authority that nobody knows but a test."""

import subprocess

CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:false
subjectAltName = {names}
"""


class Authority:
    """self.ca is the file that a client has to trust."""

    def __init__(self, directory):
        self.dir = directory
        self.dir.mkdir(exist_ok=True)
        self.count = 0
        self.ca, self.ca_key = self._make("authority", "Authority of a test", [])

    def certificate(self, *names):
        """The files of a certificate for names and addresses, and of its key."""
        return self._make("server", names[0], names, "-CA", self.ca, "-CAkey", self.ca_key)

    def _make(self, kind, name, names, *args):
        self.count += 1
        config, certificate, key = (self.dir / f"{self.count}.{suffix}"
                                    for suffix in ("cnf", "pem", "key"))
        config.write_text(CONFIG.format(name=name, names=", ".join(
            f"{'IP' if _is_address(one) else 'DNS'}:{one}" for one in names)))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-config", config, "-extensions", kind,
             "-keyout", key, "-out", certificate, *args],
            check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return certificate, key


def _is_address(name):
    return ":" in name or name.replace(".", "").isdigit()
