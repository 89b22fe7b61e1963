"""Words to request, operation to exit code."""
