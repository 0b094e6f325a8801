"""Notifications to users: shown in the app, streamed live, and sent as mails."""
