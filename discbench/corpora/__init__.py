"""Text to pre-train on, offered as a plugin's would be."""
