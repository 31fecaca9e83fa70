"""`malagate demo`: an agent's story, played for real in a temporary repository.

`story` is the story as data, `project` the files of the small project in it, `stage` the place
where it is played, `telling` what the audience sees.
"""
