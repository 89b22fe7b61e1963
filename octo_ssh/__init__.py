"""octo-ssh: Octopus-style deployments over the sshd that every server already runs."""

__version__ = "0.1.0"
