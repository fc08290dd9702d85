"""The one exception that our tools print as a sentence instead of a traceback."""


class UserInputError(ValueError):
    """Input of the user that cannot work; the message says what is wrong and what to do."""
