"""Teaching a robot actions by showing them, without training: numpy and the model's embedding.

    from bharnet_ros import Model
    from bharnet_ros.teaching.cutting import Cutter, nearest
    from bharnet_ros.teaching.lesson import Lesson

    lesson = Lesson(Model('asl_words'), 'my_actions')   # its takes lie in the user's data folder
    cutter = Cutter()
    for people in detections:                 # what a detector gives of each image
        take = cutter.push(nearest(people))   # a Take each time the arms came to rest
        print(cutter.step.value)              # 'stand at rest', 'show it now' or 'showing'
        if take is not None:
            added = lesson.add('wave', take)  # on disk; TakeError if it cannot serve
            print(added.number, added.remarks)
    verdict = lesson.teach()                  # writes the file
    print(verdict.lines, verdict.estimate.share)

`load_model('my_actions')` is then a model like any other, and `load_model('asl_words+my_actions')`
knows the words of the model, too.

    room         what is in it
    takes        Take (one showing, `Take.of(frames)`, `.frames()`), TakeFolder
    cutting      Cutter, cut_takes (of a whole recording), nearest
    quality      what is wrong with a take, in words
    windows      the windows by which a take is learned
    learning     centres and radii
    lesson       Lesson: add, take, delete, forget, rename, teach, actions
                 Added, Verdict, Estimate: what add and teach return
    sources      takes out of videos, bags and arrays

Errors are TakeError, ModelError and WriteError, each in one plain line.
"""
