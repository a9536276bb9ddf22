"""The clients and servers that the tests use and the product never needs, for `nox -s install_test_tools`."""

from __future__ import annotations

from imageyard.console import Story
from imageyard.stack.install import install
from imageyard.stack.packages import Need

__all__ = ["TEST_TOOLS", "install_test_tools"]

TEST_TOOLS = (
    Need("apache2-utils", "htpasswd"),
    Need("busybox-static", "busybox"),
    Need("chromium", "chromium", ubuntu=False),
    Need("chromium-driver", "chromedriver", ubuntu=False),
    Need("cosign", "cosign", since=13, newer="trixie", ubuntu=False),
    Need("crane", "crane", since=14, newer="forky", ubuntu=False),
    Need("haproxy", "haproxy"),
    Need("jq", "jq"),
    Need("npm", "npm"),
    Need("openssl", "openssl"),
    Need("oras", "oras", since=13, newer="trixie", ubuntu=False),
    Need("shellcheck", "shellcheck"),
    Need("skopeo", "skopeo"),
    Need("tmux", "tmux"),
)


def install_test_tools(reporter: Story) -> None:
    """Install those that are missing. Raises EnvironmentLacks as `install` does."""
    install(reporter, TEST_TOOLS, "the tools of the tests")
