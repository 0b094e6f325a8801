"""The libraries of others that browsers load are unchanged, and those that the script names."""

import subprocess

import pytest

from scripts import vendor
from tests.npm_packages import require_npm


@pytest.fixture(params=vendor.PACKAGES, ids=lambda package: package.name)
def package(request):
    return request.param


def read_folder(package):
    folder = vendor.FOLDER / package.folder
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_library_has_its_version_and_license_and_needs_no_other_site(package):
    files = read_folder(package)
    assert files.keys() == {*package.files, vendor.ABOUT}
    assert "LICENSE" in files
    assert files[vendor.ABOUT] == vendor.render_about(package)
    for name in files:
        assert b"sourceMappingURL" not in files[name]
        assert b"WebAssembly" not in files[name] or not name.endswith(".js")


def test_no_library_is_unknown_to_the_script():
    assert {path.name for path in vendor.FOLDER.iterdir()} == {
        package.folder for package in vendor.PACKAGES
    }


def test_the_files_are_those_of_the_package_with_the_integrity(package):
    require_npm()
    try:
        files = vendor.fetch(package)
    except subprocess.CalledProcessError:
        pytest.skip("npm cannot reach its registry")
    assert files == read_folder(package)


def test_a_package_with_another_integrity_is_refused(package):
    require_npm()
    other = vendor.Package(**{**vars(package), "integrity": "sha512-other"})
    try:
        with pytest.raises(vendor.IntegrityError):
            vendor.fetch(other)
    except subprocess.CalledProcessError:
        pytest.skip("npm cannot reach its registry")
