"""The pages that a person sees: sign in, consent, done; sign up, cancel. They work without JavaScript.

Begin with `bot_linking.core.journey`, the table of steps, then `views`. To add a page: a template, its step
in the table, and a view beside the others.
"""
