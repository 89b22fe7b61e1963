"""The programs that run on a target, as shell files, each with a twin that builds its input and reads its reply."""
