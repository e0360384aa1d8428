"""What setup.cfg asks of setuptools besides: whole tests in a source archive, and nothing of one build in the next."""

import atexit
import os
import shutil
import tempfile
from distutils.command.build import build

from setuptools.command.sdist import sdist

WHOLE = ("tests", "examples", ".ci")  # folders that a source archive has besides the package


class Sdist(sdist):
    """A source archive from which the tests run."""

    def make_distribution(self):
        for top in WHOLE:
            for place, folders, names in os.walk(top):
                folders[:] = [each for each in folders if each != "__pycache__"]
                self.filelist.extend(os.path.join(place, name) for name in names if not name.endswith(".pyc"))
        super().make_distribution()


class Build(build):
    """A build in a folder of its own: build/lib would keep what the package does not have any more."""

    def initialize_options(self):
        super().initialize_options()
        self.build_base = tempfile.mkdtemp(prefix="softsplit-build-")
        atexit.register(shutil.rmtree, self.build_base, ignore_errors=True)
