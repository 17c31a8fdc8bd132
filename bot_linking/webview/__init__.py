"""What a person sees: sign in, consent, done; sign up, cancel. It needs no JavaScript and no third party.

Begin with `bot_linking.core.journey`, the table of steps, then `views`. To add a page: a template, its step
in the table, and a view beside the others.
"""
