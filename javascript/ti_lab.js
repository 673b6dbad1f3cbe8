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

    window.tiLab = {chosen: ""};

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

    function turn() {
        keepScroll();
        const root = find("root");
        const pulse = find("pulse") && find("pulse").querySelector("[data-tick]");
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
