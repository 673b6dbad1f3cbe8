"""Every setting of a training run. Labels are those of A1111's Train tab where it has the field."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lib_ti.config.lines import FOLDERS, further
from lib_ti.config.options import LARGEST_SEED, option
from lib_ti.config.presets import PRESETS, preset_values
from lib_ti.config.schedule import Schedule, parse_schedule, rate_faults
from lib_ti.config.trained import EmbeddingPart as EmbeddingPart
from lib_ti.config.trained import name_faults
from lib_ti.errors import Fault, InvalidConfig

FITS = ("buckets", "crop", "squash", "variable")
LATENT_SAMPLINGS = ("once", "deterministic", "random")
CLIP_MODES = ("disabled", "value", "norm")
WEIGHTINGS = ("none", "balanced", "min_snr", "debiased")
PREDICTIONS = ("auto", "epsilon", "v_prediction")
FORMATS = ("safetensors", "pt")
OPTIMIZERS = ("adamw", "normalised", "prodigy")
LENGTHS = ("free", "cap")
ENCODERS = ("all", "clip_l", "clip_g")


@dataclass(frozen=True)
class DataPart:
    """The pictures, how each becomes a size that the model can use, and the prompts that go with them. Sizes are in pixels."""

    folder: str = option(
        "",
        "Dataset directory",
        "Folder of training pictures, with captions in .txt or .caption files or in their names.",
        required=True,
    )
    more: str = option(
        "",
        "Further dataset directories",
        "One a line, with those of these settings in which it differs: FOLDER; repeats=3; template=style; flip=0.5.",
        metavar="FOLDER",
        lines=3,
    )
    repeats: int = option(
        1,
        "Repeats",
        "So often each picture comes in an epoch, times what its folder's name says (100_sks woman).",
        minimum=1,
        maximum=1000,
    )
    template: str = option(
        "style_filewords",
        "Prompt template",
        "A template's name (subject, style, none, with or without _filewords) or a .txt file.",
    )
    width: int = option(0, "Width", "Training width in pixels; 0 is the model's own size.", minimum=0, maximum=4096)
    height: int = option(0, "Height", "Training height in pixels; 0 is the model's own size.", minimum=0, maximum=4096)
    fit: str = option(
        "buckets",
        "Fit pictures by",
        "buckets: crop to the nearest of many shapes of equal area; crop: centre crop; squash: stretch, as A1111 does; variable: its Do not resize images, each in its own shape.",
        choices=FITS,
    )
    flip: float = option(
        0.0,
        "Random flip",
        "Share of samples that show their picture mirrored; above 0, each is encoded and kept twice.",
        minimum=0.0,
        maximum=1.0,
    )
    crops: int = option(
        1,
        "Random crops",
        "So many crops of a picture that does not fit, evenly over what is cut off, are encoded and kept, and one is drawn for each sample; 1 is the middle.",
        minimum=1,
        maximum=100,
    )
    alpha_weight: bool = option(
        False,
        "Use PNG alpha channel as loss weight",
        "Transparent parts of a picture count less, fully clear ones nothing.",
    )
    masks: bool = option(
        True,
        "Use mask files as loss weight",
        "NAME-masklabel.png beside NAME.jpg: where it is black, the picture counts nothing. It is never a picture itself.",
    )
    mask_folder: str = option(
        "", "Mask directory", "A folder of masks of the same names as the pictures, as kohya's conditioning_data_dir."
    )
    shuffle_tags: bool = option(
        False, "Shuffle tags by ',' when creating prompts", "Tags of a caption come in a new order each time."
    )
    tag_dropout: float = option(
        0.0,
        "Drop out tags when creating prompts",
        "Share of a caption's tags left out each time.",
        minimum=0.0,
        maximum=1.0,
    )
    keep_tags: int = option(
        0, "Keep first tags", "This many tags at the front are neither shuffled nor dropped.", minimum=0
    )
    latent_sampling: str = option(
        "once",
        "Choose latent sampling method",
        "once: one draw a picture for the run; deterministic: the mean; random: a new draw each time.",
        choices=LATENT_SAMPLINGS,
    )
    word_regex: str = option(
        "", "Filename word regex", "If set, the words of a caption taken from a file name are those that it matches."
    )
    join_words: str = option(" ", "Filename join string", "Stands between those words.")
    caption_prefix: str = option(
        "", "Caption prefix", "Stands before every caption, with a blank between, and is neither shuffled nor dropped."
    )
    caption_suffix: str = option("", "Caption suffix", "The same behind every caption.")
    wildcards: bool = option(
        False, "Wildcards", "{red|blue} in a caption or template is one of them, drawn anew each time."
    )
    name: str = option(
        "", "[name] is", "Which of several embeddings [name] stands for in the prompts of a folder; empty is the first."
    )

    class_folder: str = option(
        "",
        "Class pictures directory",
        "A folder of pictures of the class, kohya's regularisation folder (1_woman in it): one of them goes with each picture, its "
        "caption with [name] in place of the class word.",
    )
    class_word: str = option(
        "",
        "Class word",
        "The plain word for what is learned, such as woman: the word in captions of class pictures, and what context regularisation "
        "compares with. Empty is that of a folder called 1_woman, else the initialization text.",
    )

    def folders(self) -> tuple["DataPart", ...]:
        """One for each folder: of `more`, each has the settings of the first, but for repeats, masks and what its line says.

        Raises InvalidConfig, at `data.more`.
        """
        return (replace(self, more=""), *further(self, self.more, FOLDERS, {"repeats": 1, "mask_folder": ""}))


@dataclass(frozen=True)
class OptimizerPart:
    """The update: its rate, how many pictures make one, and the optimizer's own figures."""

    lr: str = option(
        "0.005",
        "Embedding Learning rate",
        "One rate, or stages such as 0.005:100, 1e-3:1000, 1e-5 (rate until that step). 0.005 cosine:500 and linear fall, warmup:20, "
        "0.005 rises; 0.6r is relative to the length of words.",
    )
    name: str = option(
        "adamw",
        "Optimizer",
        "adamw: as A1111; normalised: each picture counts the same, for few pictures and rates such as 0.6r; prodigy: finds its rate, "
        "with a learning rate of 1.",
        choices=OPTIMIZERS,
    )
    length: str = option(
        "free",
        "Vector length",
        "free: as long as they get; cap: no longer than words, so that they do not drown the rest of a prompt.",
        choices=LENGTHS,
    )
    cap: float = option(
        1.0, "Longest vector", "With cap: in lengths of the encoder's words.", minimum=0.01, maximum=1000.0
    )
    encoders: str = option(
        "all", "Encoders", "Which of SDXL's text encoders learn; the other one's vectors stay.", choices=ENCODERS
    )
    steps: int = option(
        100000, "Max steps", "Train until this many updates, counted over all runs of the embedding.", minimum=1
    )
    epochs: int = option(
        0,
        "Epochs",
        "Above 0, in place of max steps: so often all pictures with their repeats are gone through.",
        minimum=0,
    )
    batch_size: int = option(1, "Batch size", "Pictures in a batch.", minimum=1)
    accumulation: int = option(1, "Gradient accumulation steps", "Batches in an update.", minimum=1)
    micro_batch: int = option(
        0,
        "Pictures at once",
        "Pictures that go through the UNet together; changes memory and speed, not the result. 0 is the batch size.",
        minimum=0,
    )
    clip: str = option(
        "disabled",
        "Gradient Clipping",
        "Limit each gradient number (value) or each encoder's whole gradient (norm).",
        choices=CLIP_MODES,
    )
    clip_at: str = option("0.1", "Gradient clip value", "The limit; takes stages as the learning rate does.")
    weight_decay: float = option(0.0, "Weight decay", "The optimizer's pull towards zero.", minimum=0.0)
    beta1: float = option(0.9, "AdamW beta 1", "The optimizer's memory of the gradient.", minimum=0.0, maximum=0.999999)
    beta2: float = option(
        0.999, "AdamW beta 2", "AdamW's memory of the gradient's square.", minimum=0.0, maximum=0.999999
    )
    epsilon: float = option(1e-8, "AdamW epsilon", "Keeps AdamW from dividing by zero.", minimum=0.0)


@dataclass(frozen=True)
class LossPart:
    """What of the loss counts how much, and which noise and timesteps are drawn."""

    weighting: str = option(
        "none",
        "Loss weighting",
        "balanced: sqrt(1/SNR) within 0.3 to 6; min_snr and debiased as in their papers.",
        choices=WEIGHTINGS,
    )
    snr_gamma: float = option(5.0, "Min-SNR gamma", "Only for min_snr.", minimum=0.01)
    noise_offset: float = option(
        0.0,
        "Noise offset",
        "Adds noise that is equal over a whole channel, for very dark or bright pictures.",
        minimum=0.0,
        maximum=1.0,
    )
    stratified: bool = option(
        False, "Stratified timesteps", "Spread the timesteps of an update evenly instead of drawing each alone."
    )
    timestep_min: int = option(
        0, "Least timestep", "None below is drawn; 0 is the least noise.", minimum=0, maximum=999
    )
    timestep_max: int = option(
        999, "Greatest timestep", "None above is drawn; 999 is nothing but noise.", minimum=0, maximum=999
    )
    guidance: float = option(
        3.0,
        "Guidance of a pair",
        "So far the prediction goes from that of the negative prompt to that of the prompt, and beyond above 1, as the CFG scale of "
        "pictures; only for a negative embedding trained as a pair.",
        minimum=1.0,
        maximum=30.0,
    )
    prediction: str = option(
        "auto",
        "Prediction type",
        "What the model is taken to predict in training; auto goes by the checkpoint, as previews always do.",
        choices=PREDICTIONS,
    )
    prior_weight: float = option(
        1.0, "Prior loss weight", "How much a class picture counts beside one of your own.", minimum=0.0, maximum=1000.0
    )
    context_weight: float = option(
        0.0,
        "Context regularisation",
        "How much the other words of a prompt are held to what they say beside the class word; 0 is off.",
        minimum=0.0,
        maximum=1000.0,
    )
    context: str = option(
        "", "Context prompts", "One a line, with [name] and words after it; empty takes twenty of ours.", lines=3
    )


@dataclass(frozen=True)
class PreviewPart:
    """Pictures drawn while it trains. Sizes are in pixels; 0 steps between them draws none."""

    every: int = option(
        500, "Save an image to log directory every N steps, 0 to disable", "Steps between previews.", minimum=0
    )
    prompt: str = option("", "Preview prompt", "May hold [name]; empty takes a prompt of the data set.")
    negative: str = option("", "Preview negative prompt", "What previews should not show.")
    steps: int = option(20, "Preview sampling steps", "Sampler steps of a preview.", minimum=1, maximum=150)
    cfg: float = option(
        7.0, "Preview CFG scale", "How closely a preview follows its prompt.", minimum=1.0, maximum=30.0
    )
    sampler: str = option("DPM++ 2M", "Preview sampler", "The sampler of previews.")
    seed: int = option(
        -1,
        "Preview seed",
        "One seed for all previews of the run; -1 draws one from the training seed.",
        minimum=-1,
        maximum=LARGEST_SEED,
    )
    width: int = option(0, "Preview width", "0 is the training width.", minimum=0, maximum=4096)
    height: int = option(0, "Preview height", "0 is the training height.", minimum=0, maximum=4096)


@dataclass(frozen=True)
class SavePart:
    """What is written, where and how often; 0 steps between copies writes none."""

    every: int = option(
        500,
        "Save a copy of embedding to log directory every N steps, 0 to disable",
        "Steps between copies; the run can be resumed from each.",
        minimum=0,
    )
    keep: int = option(
        0,
        "Keep the last N copies, 0 for all",
        "Older ones that this run wrote in their turn are deleted; what Save now writes stays.",
        minimum=0,
    )
    folder: str = option("", "Embeddings directory", "Where the embedding goes; empty is the host's own folder.")
    log_folder: str = option(
        "",
        "Log directory",
        "Copies, previews and logs go to a folder by date and name in here; empty is the host's own.",
    )
    format: str = option(
        "safetensors",
        "File format",
        "safetensors, or A1111's .pt (SD1 and SD2); an embedding that exists keeps its own.",
        choices=FORMATS,
    )
    optim: bool = option(
        False,
        "Saves Optimizer state as separate *.optim file",
        "Beside a .pt, for A1111's own trainer to go on with; this one goes on exactly without it.",
    )
    in_previews: bool = option(
        True,
        "Save images with embedding in PNG chunks",
        "Each preview also comes as a picture that can be used as an embedding.",
    )
    card: bool = option(
        True,
        "Newest preview as the embedding's card picture",
        "NAME.preview.png beside the embedding, where WebUIs look for it; a picture of your own there is left alone.",
    )
    csv_every: int = option(
        1,
        "Save an csv containing the loss to log directory every N steps, 0 to disable",
        "Rows of textual_inversion_loss.csv.",
        minimum=0,
    )
    tensorboard: bool = option(
        False, "Enable tensorboard logging", "Write loss, rate, norms and previews for TensorBoard."
    )


@dataclass(frozen=True)
class MeasurePart:
    """The loss on fixed samples, the same each time: what the losses of updates are too noisy to show."""

    every: int = option(
        0,
        "Measure every N steps",
        "Measure the loss on fixed pictures, noise and timesteps; -1 is as often as takes a twentieth of the work; 0 is as often as the settings below need.",
        minimum=-1,
    )
    samples: int = option(
        24, "Fixed samples", "A measurement costs half as much as learning from as many.", minimum=4, maximum=1000
    )
    held_out: int = option(
        -1,
        "Pictures held out",
        "Not trained on, to measure with; -1 is an eighth where there are 16 or more, else none.",
        minimum=-1,
    )
    best: bool = option(
        False, "Keep the best", "The embedding is that of the best measurement; the last one stays as a copy."
    )
    end: bool = option(
        False,
        "End by itself",
        "Measure at the end of each stage of the learning rate too, and end with the first one that adds little.",
    )
    noise: bool = option(
        False,
        "Measure the gradient's noise",
        "At the start, from 64 pictures' gradients. Where it is far greater than it was where Automatic was measured, normalised "
        "takes more steps, with a longer memory.",
    )
    gain: float = option(
        0.1, "Least gain", "Of a stage, as a share of what those before it gained.", minimum=0.0, maximum=1.0
    )


@dataclass(frozen=True)
class RunPart:
    """How the run goes: the preset that its settings begin with, its seed, the layer it trains against, memory."""

    preset: str = option(
        "a1111",
        "Preset",
        "automatic: pictures and a name are enough, and it ends by itself; a1111: the built-in trainer's defaults. What is set "
        "besides goes over it.",
        choices=tuple(PRESETS),
    )
    seed: int = option(
        -1,
        "Training seed",
        "The same seed gives the same run; -1 draws one and records it.",
        minimum=-1,
        maximum=LARGEST_SEED,
    )
    clip_skip: int = option(
        1,
        "Clip skip",
        "Train against this layer of SD1's text encoder, counted from the end; 1 is the last.",
        minimum=1,
        maximum=12,
    )
    checkpointing: bool = option(False, "Gradient checkpointing", "Less memory, about a third slower.")
    networks: str = option(
        "",
        "Train with LoRAs",
        "Written as in a prompt, <lora:name:0.8>; they work in training and previews. Empty trains on the plain model.",
    )
    offload_images: bool = option(False, "Move VAE to RAM when training", "Frees memory between previews.")


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a training run, by part; every one has a dotted path, such as `optim.lr`.

    Only the embedding's name and the folder of pictures must be given.
    """

    embedding: EmbeddingPart = field(default_factory=EmbeddingPart)
    data: DataPart = field(default_factory=DataPart)
    optim: OptimizerPart = field(default_factory=OptimizerPart)
    loss: LossPart = field(default_factory=LossPart)
    preview: PreviewPart = field(default_factory=PreviewPart)
    save: SavePart = field(default_factory=SavePart)
    measure: MeasurePart = field(default_factory=MeasurePart)
    run: RunPart = field(default_factory=RunPart)

    @staticmethod
    def beneath(given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the preset among `given` values has for those that are not given."""
        return preset_values(given.get("run.preset", ""))

    @property
    def schedule(self) -> Schedule:
        return parse_schedule(self.optim.lr).ending(self.optim.steps)

    @property
    def clip_schedule(self) -> Schedule:
        return parse_schedule(self.optim.clip_at).ending(self.optim.steps)

    @property
    def images_per_update(self) -> int:
        return self.optim.batch_size * self.optim.accumulation

    def check(self) -> list[Fault]:
        """Faults that no single field shows."""
        optim = self.optim
        faults = rate_faults("optim.lr", optim.lr, relative=optim.name != "prodigy")
        if optim.clip != "disabled":
            faults += rate_faults("optim.clip_at", optim.clip_at, relative=False)
        if optim.name == "prodigy" and not optim.epsilon:
            faults.append(Fault("optim.epsilon", "Prodigy needs one above 0", "take 1e-8"))
        if self.save.optim and optim.name != "adamw":
            faults.append(
                Fault("save.optim", "A1111's .optim file holds AdamW's state alone", "turn it off, or take adamw")
            )
        if bool(self.data.width) != bool(self.data.height):
            faults.append(Fault("data.height", "give both width and height, or leave both at 0"))
        try:
            folders = self.data.folders()
        except InvalidConfig as error:
            faults += error.faults
        else:
            odd = [one.folder for one in folders[1:] if bool(one.width) != bool(one.height)]
            faults += [Fault("data.more", f"{folder}: give both width and height, or neither") for folder in odd]
            faults += name_faults(self.embedding, [one.name for one in folders])
        if self.embedding.more or self.embedding.negative == "pair":
            if self.data.class_folder:
                faults.append(
                    Fault("data.class_folder", "class pictures are for one embedding alone", "leave it empty")
                )
            if self.loss.context_weight:
                faults.append(Fault("loss.context_weight", "it holds one embedding alone", "set it to 0"))
        if self.loss.timestep_min > self.loss.timestep_max:
            faults.append(Fault("loss.timestep_max", f"is below the least timestep of {self.loss.timestep_min}"))
        return faults
