"""The simulator over HTTP: the chat page with its routes, the addresses of Messenger, and the Graph API."""
