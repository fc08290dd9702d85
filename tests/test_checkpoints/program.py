"""What a malicious checkpoint holds."""

import os


class Program:
    """Makes a folder when it is unpickled carelessly."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)
