"""The fixtures of this directory, for the tests of others too."""

from tests.action_yml.installation import installation

__all__ = ["installation"]
