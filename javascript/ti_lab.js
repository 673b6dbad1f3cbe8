// Keeps the TI Lab tab true to the running job: presses a hidden button once a second while a job runs, rarely otherwise.
// A page that was just opened, or whose server was restarted, is brought up to date the same way.
(() => {
    "use strict";
    if (window.tiLab) return;

    const ACTIVE = 1000;
    const IDLE = 5000;
    const PATIENCE = 30000; // after this an answer is taken for lost
    const find = (name) => document.getElementById("ti_lab_" + name);

    let asked = 0;
    let unanswered = null; // the pulse as it was when we last asked

    window.tiLab = {chosen: "", album, captions, fill, outdate, txt2img};

    // What the WebUI's txt2img tab shows now.
    function txt2img() {
        const value = (part) => document.querySelector("#txt2img_" + part)?.value ?? "";
        return JSON.stringify({
            prompt: value("prompt textarea"),
            negative: value("neg_prompt textarea"),
            sampler: value("sampling input:checked") || value("sampling input:not([type=radio])"),
            scheduler: value("scheduler input"),
            steps: value("steps input[type=number]"),
            cfg: value("cfg_scale input[type=number]"),
            seed: value("seed input"),
            width: value("width input[type=number]"),
            height: value("height input[type=number]"),
        });
    }

    // `told`: for each field its value as the page was built, and the one wanted. What the user has changed by `now` stays.
    function fill(told, ...now) {
        const keep = {__type__: "update"};
        return JSON.parse(told).map(([built, wanted], at) => (now[at] === built && wanted !== built ? wanted : keep));
    }

    const OLD = '<div class="ti_lab_old"><p role="status">The form has changed since:</p>';

    let touched = ""; // the field or button that the user has had to do with last
    for (const kind of ["pointerdown", "keydown", "input"]) {
        document.addEventListener(kind, ({target}) => {
            touched = target.closest?.("[id^='ti_lab_']")?.id ?? "";
        }, true);
    }

    // The first `answers` of what is `told` are about a form that the user has changed by now, and say so; a fault goes.
    function outdate(field, told, answers) {
        if (touched !== field) return told.map(() => ({__type__: "update"}));
        const fresh = (html) => !html.startsWith(OLD) && !html.startsWith('<p class="ti_lab_empty"');
        return told.map((html, at) => {
            if (!html) return {__type__: "update"};
            if (at >= answers) return {__type__: "update", value: "", visible: false};
            return {__type__: "update", ...(fresh(html) && {value: OLD + html + "</div>"})};
        });
    }

    function press(name) {
        const element = find(name);
        const button = element && (element.matches("button") ? element : element.querySelector("button"));
        if (!button) return;
        asked = Date.now();
        button.click();
    }

    let strip = null;
    let scrolled = 0;

    // A strip that has been replaced stays scrolled to where the user left it.
    function keepScroll() {
        const now = document.querySelector("#ti_lab_strip .ti_lab_strip");
        if (now === strip) {
            if (strip) scrolled = strip.scrollLeft;
        } else {
            strip = now;
            if (strip) strip.scrollLeft = scrolled;
        }
    }

    const drafts = new Map(); // captions that are typed and not saved, by folder and picture, whatever page is shown
    const saves = new Map(); // what each Save captions has sent, by its number, until it is answered
    let lastSave = 0;
    const findAlbum = () => document.querySelector("#ti_lab_album .ti_lab_album");
    const inside = (folder) => [...drafts].filter(([name]) => name.startsWith(folder + "\n"));

    // What Next and Previous tell the server.
    function album() {
        const now = findAlbum();
        return now ? {folder: now.dataset.folder, page: Number(now.dataset.page)} : {};
    }

    // What Save captions tells it. What is typed before the answer comes stays a draft.
    function captions() {
        const {folder, page} = album();
        if (folder === undefined) return {};
        const sent = inside(folder);
        saves.set(String(++lastSave), sent);
        const words = Object.fromEntries(sent.map(([name, words]) => [name.slice(folder.length + 1), words]));
        return {folder, page, captions: words, save: lastSave};
    }

    // A browser may keep what was typed in a field whose picture has changed: every field shows its own draft or its file.
    function showDrafts() {
        const now = findAlbum();
        if (!now) return;
        const {folder, saved} = now.dataset;
        for (const [name, words] of saves.get(saved) ?? []) if (drafts.get(name) === words) drafts.delete(name);
        saves.delete(saved);
        for (const area of now.querySelectorAll("[data-caption]")) {
            const draft = drafts.get(folder + "\n" + area.dataset.caption);
            const words = draft ?? area.defaultValue;
            if (area.value !== words) area.value = words;
            area.classList.toggle("ti_lab_edited", draft !== undefined);
        }
        const count = inside(folder).length;
        const chip = now.querySelector("[data-unsaved]");
        chip.hidden = count === 0;
        const told = count === 0 ? "" : count === 1 ? "1 caption not saved" : count + " captions not saved";
        if (chip.textContent !== told) chip.textContent = told;
    }

    document.addEventListener("input", (event) => {
        const area = event.target.closest && event.target.closest("#ti_lab_album [data-caption]");
        if (!area) return;
        const name = findAlbum().dataset.folder + "\n" + area.dataset.caption;
        if (area.value === area.defaultValue) drafts.delete(name);
        else drafts.set(name, area.value);
        showDrafts();
    });

    function turn() {
        keepScroll();
        showDrafts();
        const root = find("root");
        const pulse = find("pulse") && find("pulse").querySelector("[data-tick]");
        if (root) root.classList.toggle("ti_lab_beside_txt2img", document.getElementById("txt2img_prompt") !== null);
        if (!root || !pulse || document.hidden || root.offsetParent === null) return;
        const waited = Date.now() - asked;
        const {tick, active} = pulse.dataset;
        if (tick === "") { // nothing has answered yet: the page may not have been listening
            if (waited > 1500) press("load");
            return;
        }
        if (tick === unanswered && waited < PATIENCE) return;
        if (waited >= (active === "1" ? ACTIVE : IDLE)) {
            unanswered = tick;
            press("poll");
        }
    }

    document.addEventListener("click", (event) => {
        const cell = event.target.closest && event.target.closest("#ti_lab_strip [data-preview], #ti_lab_library [data-embedding]");
        if (!cell) return;
        const {preview, embedding} = cell.dataset;
        window.tiLab.chosen = preview ?? embedding;
        find(preview === undefined ? "open" : "choose").click();
    });

    setInterval(turn, 250);
})();
