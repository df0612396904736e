"""Configurations for one run, from the templates in the folders beside this file."""

import grp
import os
import pwd
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent


def identity():
    """Whom servers that insist on a user and a group for their workers run those as."""
    if os.geteuid() == 0:
        return {"user": "nobody", "group": "nogroup"}
    return {"user": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


def filled(text, values):
    """The text with each @name@ replaced by its value."""
    return re.sub(r"@(\w+)@", lambda name: str(values[name[1]]), text)


def configure(home, folders, values):
    """Makes home, with the folders' files in it, filled in."""
    home.mkdir()
    for folder in folders:
        for file in (HERE / folder).iterdir():
            Path(home, file.name).write_text(filled(file.read_text(), values))
