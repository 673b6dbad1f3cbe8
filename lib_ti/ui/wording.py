"""The words of the page that no config option has."""

from lib_ti.jobs.snapshot import State

TITLE = "TI Lab"

FAMILIES = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL"}
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v-prediction"}

STATES: dict[State, str] = {
    "idle": "Ready",
    "planning": "Getting ready",
    "running": "Training",
    "paused": "Paused",
    "stopping": "Stopping",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
}

KINDS = {
    "embedding": "Embedding",
    "copy": "Copy",
    "state": "State",
    "preview": "Preview",
    "plot": "Loss plot",
}

LOADED_LATER = "loaded when it is first needed"

CREATE = "Create embedding"
TRAIN = "Train"
RESUME = "Resume last run"
CHECK = "Check"
STOP = "Stop"
PAUSE = "Pause"
CONTINUE = "Continue"
SAVE_NOW = "Save now"
PREVIEW_NOW = "Preview now"
READ_TXT2IMG = "Read parameters (prompt, etc...) from txt2img tab"

CREATE_INTRO = (
    "An embedding is a new word for the model: a few vectors, in a small file. Create one here to see or use it before it "
    "is trained; Train also makes it by itself where there is none of its name."
)
NOTHING_RUNS = "Nothing has run yet. Train starts a run; its loss curve, previews and files appear here. Check shows what a run would do."
NO_CURVE = "The loss curve appears with the first steps."
PREVIEW_GONE = "This preview's file can no longer be read."
STOPPED_HINT = "“Resume last run” goes on from here."
NOTHING_SAVED = "It was stopped before its first step: nothing was saved."
CHECK_PASSED = "Everything is in order. This is what Train would do."
FAULTS_INTRO = "Please mend this first:"
CREATED_NEXT = "Its name now stands in Train."
SCHEDULE_ENDS = "The last stage ends at step {step}, before max steps: training ends there."

MERGE = "Merge and save"
LOOK = "Preview"
NOT_SAVED = "Not saved yet: this is what Merge and save would write."
USE_FOR_TRAINING = "Use for training"
INSPECT = "Inspect"
DECOMPOSE = "Explain by tokens"
EDIT_IN_MERGE = "Edit in Merge"
REFRESH = "Refresh"

MERGE_INTRO = (
    "Words and embeddings stand in quotes: 'cat'*0.5 + 'dog'. The expression is checked while you type; Preview shows the "
    "vectors with all edits, and the tokens nearest to them, before anything is saved."
)
INSPECT_INTRO = (
    "Shows how long an embedding's vectors are beside those of ordinary words, and which tokens are nearest. Vectors many "
    "times longer than the vocabulary's drown the rest of a prompt."
)
LIBRARY_EMPTY = "There are no embeddings in {folder} yet. Create, Train and Merge put theirs there."
LIBRARY_NO_MATCH = "None of {count} holds all of these words."
LIBRARY_MORE = "{count} more: type to narrow the list."
FILTER = "Filter"
FILTER_HELP = "Words that must all stand somewhere: in name, folder, family, model, recipe."
OTHER_FAMILY = "other family"
MISFIT = "does not fit"
OTHER_MODEL = "other model"
MADE_ON = "Made on {theirs}; loaded is {ours}."
MADE_HERE = "Made on {ours}, the loaded model."
MADE_ON_UNKNOWN = "It does not say which model it was made on; loaded is {ours}."
NO_REMAKE = "It cannot be made again for this model. {reason}"
REMAKE = "Make again for this model"
REMAKE_LISTED = "Make the listed ones again"
REMAKE_HELP = (
    "Evaluates the recipes of the files listed below on the loaded model: of merges with their edits, and of what was created "
    "from words. What is of this model already is passed over."
)
REMAKE_NOTHING = "Nothing to do: no file of the list was made on another model."
REMAKE_PROGRESS = "{done:,} of {total:,}"
REMAKE_DONE = "Made again: {made:,}. Not made: {faults:,}."
REMAKE_STOPPED = "Stopped; still to do: {left:,}."
REMAKING = "Making again"
REMAKE_MORE = "and {count:,} more"
SAME = "The model reads it the same as the text."
NOT_SAME = "The model does not read it the same as the text."
RESIDUAL = "Left unexplained in {encoder}: {share} % of the length at most, {mean} % on average."
NO_SOURCE = "is missing"
MERGED_NEXT = "Prompts know it by this name now."

DATASET_INTRO = (
    "Crops, pieces, flipped copies and captions go to a folder of their own; what you have stays as it is. Any folder of "
    "pictures can be looked at and captioned here by hand."
)
PREPARE = "Prepare pictures"
FLIPS = "Create flipped copies"
FOLDER = "Folder to look at"
FOLDER_HELP = "Its pictures with their captions appear below."
SHOW = "Show pictures"
VALIDATE = "Check"
TRAIN_HERE = "Train on this folder"
PREVIOUS, NEXT = "Previous", "Next"
SAVE_CAPTIONS = "Save captions"
VALIDATED = "Training can use all {count} pictures."
CAPTIONS_SAVED = {0: "Nothing has changed.", 1: "1 caption saved."}
MANY_CAPTIONS_SAVED = "{count:,} captions saved."
FROM_NAME = "no caption file; the name gives: {words}"
NO_WORDS = "no caption"

DESCRIBE = "Describe in the model’s words"
DESCRIBE_SETTINGS = "How the words are searched for"
DESCRIBING = "Describing"
DESCRIBE_STOPPED = "Stopped: these are the words found by then."
DESCRIBED = "The loss is {share} % less than with the neutral word. {pictures} pictures; as much work as learning from {images}."
NO_WORD = "No words were found that say more of the pictures than the neutral one."
WORD_COLUMNS = ("Word", "", "Less by", "Loss", "Next best")
START_TRAIN_SO = "Start Train with them"
START_CREATE_SO = "Start Create with them"
FROM_PICTURES = "Find words for the pictures"
