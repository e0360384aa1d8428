"""An authority of the tests, and certificates of it and of others, good and bad ones; made with openssl, once."""

import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

from softsplit.commands.tls.authority import Authority, Master
from softsplit.security.certificate import ROLE

MASTERS = (Master("operator", "operator"), Master("viewer", "viewer"), Master("plain"), Master("guest", "guest"))
has_openssl = shutil.which("openssl") is not None


@cache
def certificates() -> Path:
    """A directory with NAME.crt and NAME.key of all kinds; authority.crt is whom to trust."""
    directory = Path(tempfile.mkdtemp())
    authority = Authority(directory, 100)
    authority.make_server(("127.0.0.1", "localhost"))
    for master in MASTERS:
        authority.make_master(master)
    other = Authority(directory / "other", 100)
    other.make_master(MASTERS[0])
    other.make_server(("127.0.0.1",))
    (directory / "elsewhere").mkdir()
    for name in ("authority.crt", "authority.key"):
        shutil.copy(directory / name, directory / "elsewhere")
    Authority(directory / "elsewhere", 100).make_server(("192.0.2.1",))
    forever = "20200101000000Z", "20900101000000Z"
    signed(directory, "expired", "20200101000000Z", "20210101000000Z")
    signed(directory, "early", "20900101000000Z", "20910101000000Z")
    signed(directory, "soon", "20200101000000Z", time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 10.5 * 86400)))
    signed(directory, "rsa", *forever, key="rsa")
    signed(directory, "number", *forever, extensions=f"{ROLE} = ASN1:INTEGER:7\n")
    return directory


def signed(directory: Path, name: str, begin: str, end: str, extensions: str = "", key: str = "ec") -> None:
    """Make NAME.crt and NAME.key with any period of validity, such as 20200101000000Z."""
    (directory / "index.txt").write_text("")
    config = directory / "ca.cnf"
    config.write_text("[ca]\ndefault_ca = own\n[own]\n"
                      f"database = {directory}/index.txt\nnew_certs_dir = {directory}\nrand_serial = yes\n"
                      f"certificate = {directory}/authority.crt\nprivate_key = {directory}/authority.key\n"
                      "default_md = sha256\npolicy = any\nunique_subject = no\nx509_extensions = extensions\n"
                      "[any]\ncommonName = supplied\n[req]\ndistinguished_name = name\nprompt = no\n"
                      f"[name]\nCN = {name}\n[extensions]\nsubjectAltName = IP:127.0.0.1\n{extensions}")
    new_key = ["-newkey", "rsa:2048"] if key == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    _openssl("req", "-new", *new_key, "-nodes", "-keyout", directory / f"{name}.key", "-config", config,
             "-out", directory / f"{name}.csr")
    _openssl("ca", "-batch", "-config", config, "-in", directory / f"{name}.csr", "-startdate", begin, "-enddate", end,
             "-notext", "-out", directory / f"{name}.crt")


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)
