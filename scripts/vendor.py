"""Bring the libraries in eventapp/pages/static/vendor to the versions that this script names.

Run `python -m scripts.vendor` after a version in PACKAGES was changed; it needs npm. The package is
packed by `npm pack`, which reads it from the registry that npm is configured for. Its files are
taken only if the package has the `integrity` that is written here. For a new version, the script
says which one that is.
"""

import argparse
import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "eventapp" / "pages" / "static" / "vendor"
ABOUT = "ABOUT.txt"


@dataclass(frozen=True)
class Package:
    """A library from npm.

    Attributes:
        name, version: as npm knows it.
        integrity: the SHA-512 of the package, as in lock files of npm.
        folder: where its files are kept.
        purpose: what the pages use it for.
        files: the files that are kept, licenses included.
    """

    name: str
    version: str
    integrity: str
    folder: str
    purpose: str
    files: tuple[str, ...]


PACKAGES = (
    Package(
        "qr",
        "0.7.0",
        "sha512-/VrrACmOAwZVipuRITwfEwOL5oAMEHH5PTmBWaGtlTom2Thxaa+rhmna4zU9PRN2uLw2wdccbkHOLGZb1Q9SdA==",
        "qr",
        "reads QR codes in browsers without BarcodeDetector",
        ("decode.js", "index.js", "LICENSE", "LICENSE-MIT"),
    ),
    Package(
        "@noble/ed25519",
        "3.2.0",
        "sha512-criDgRlnUA09hchYrTy/JUWPIEap5rZxQe6wDWzRx51oWWpDRcUpuNzlgPxDJaOK6AsW9c0wKcj3rKRv6t+bPQ==",
        "noble-ed25519",
        "verifies signatures in browsers whose WebCrypto has no Ed25519",
        ("index.js", "LICENSE"),
    ),
)


class IntegrityError(Exception):
    """A package is not the one that is named here."""


def fetch(package: Package) -> dict[str, bytes]:
    """Return the files of a package that are kept, by name, and one that says what they are.

    Raises:
        IntegrityError: the package has another integrity.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{package.name}@{package.version}", "--loglevel", "error"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120)
        (packed,) = Path(folder).glob("*.tgz")
        integrity = compute_integrity(packed.read_bytes())
        if integrity != package.integrity:
            raise IntegrityError(f"{package.name}@{package.version} has {integrity}")
        with tarfile.open(packed) as archive:
            found = {name: _read(archive, f"package/{name}") for name in package.files}
    return {**found, ABOUT: render_about(package)}


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    opened = archive.extractfile(name)
    if opened is None:
        raise IntegrityError(f"{name} is no file")
    return opened.read()


def compute_integrity(packed: bytes) -> str:
    """Return the SHA-512 of a package as lock files of npm write it."""
    return f"sha512-{base64.b64encode(hashlib.sha512(packed).digest()).decode()}"


def render_about(package: Package) -> bytes:
    """Return the text that says which library a folder has."""
    lines = (
        f"{package.name} {package.version}: {package.purpose}.",
        f"Integrity of the package: {package.integrity}",
        "These files are unchanged. `python -m scripts.vendor` brings them up to date.",
    )
    return ("\n".join(lines) + "\n").encode()


def main() -> int:
    """Write the files of all packages; return the exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for package in PACKAGES:
        try:
            files = fetch(package)
        except IntegrityError as error:
            print(f"not written: {error}", file=sys.stderr)
            return 1
        folder = FOLDER / package.folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        print(f"{package.name} {package.version}: {len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
