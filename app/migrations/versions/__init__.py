"""Revisions of the database ``hokusai``, one file each; never changed once deployed."""
