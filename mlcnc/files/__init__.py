"""What every part of this package writes files, locks folders, names processes and tells regular files by."""
