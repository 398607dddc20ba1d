"""The door for agents: what the commands say as JSON, as tools of the Model Context Protocol."""
