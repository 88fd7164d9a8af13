"""Texts: read in the wrong encoding, misspelt, in another language, boilerplate, personal data, poor or rude ones."""
