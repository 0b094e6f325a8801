"""The roles of accounts, in ascending order of their permissions, and the roles in teams."""

ATTENDEE, ORGANIZER, ADMIN = "attendee", "organizer", "admin"
ROLES = (ATTENDEE, ORGANIZER, ADMIN)

# What a member of an organizer's team is, in descending order of the permissions. The role of the
# member's account plays no part in the team.
MANAGER, VIEWER, DOOR = "manager", "viewer", "door"
TEAM_ROLES = (MANAGER, VIEWER, DOOR)
