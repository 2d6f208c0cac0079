"""What is handed out beside the package: manual pages, and everything in one file."""
