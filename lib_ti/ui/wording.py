"""The words of the page that no config option has."""

from lib_ti.jobs.snapshot import State

TITLE = "TI Lab"

FAMILIES = {"sd1": "SD 1", "sd2": "SD 2", "sdxl": "SDXL"}
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

CREATE = "Create embedding"
TRAIN = "Train"
RESUME = "Resume last run"
CHECK = "Check"
STOP = "Stop"
PAUSE = "Pause"
CONTINUE = "Continue"
SAVE_NOW = "Save now"
PREVIEW_NOW = "Preview now"

CREATE_INTRO = (
    "An embedding is a new word for the model: a few vectors, in a small file. Create one here to see or use it before it "
    "is trained; Train also makes it by itself where there is none of its name."
)
NOTHING_RUNS = "Nothing has run yet. Train starts a run; its loss curve, previews and files appear here. Check shows what a run would do."
NO_CURVE = "The loss curve appears with the first steps."
PREVIEW_GONE = "This preview's file can no longer be read."
STOPPED_HINT = "“Resume last run” goes on from here."
CHECK_PASSED = "Everything is in order. This is what Train would do."
FAULTS_INTRO = "Please mend this first:"
CREATED_NEXT = "Its name now stands in Train."
SCHEDULE_ENDS = "The last stage ends at step {step}, before max steps: training ends there."
