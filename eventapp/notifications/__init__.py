"""What people are told: notifications in the app, and mails."""
