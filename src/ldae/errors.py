"""The one exception whose message is meant for the person at the terminal."""


class UserError(Exception):
    """Something the user can put right: says what is wrong, where (file, row, key) and what to do.

    The command line prints the message as one line and exits with status 1; nothing is traced.
    """
