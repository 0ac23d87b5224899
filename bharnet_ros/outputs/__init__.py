"""What a person looks at or keeps: drawings, files."""
