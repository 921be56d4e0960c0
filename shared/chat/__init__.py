"""What people are told of a VM in a chat: a telling becomes a message, a message the JSON of Slack or Teams. Pure."""
