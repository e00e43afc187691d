// What is shown follows from `state` alone: every control changes it and calls `update`.
const element = (id) => document.getElementById(id);
const content = JSON.parse(element("content").textContent);
const [WIDE, PHONE] = ["(min-width: 48.01rem)", "(max-width: 48rem)"];
const PARTS = ["reconstruction", "manipulation", "interpolation", "variation", "sessions"];
const PLANES = [["multi", "All", 3], ["axial", "Axial", 0], ["coronal", "Coronal", 1], ["sagittal", "Sagittal", 2], ["render", "3D", 4]];
const ABSENT = {
  reconstruction: "Of this subject the page has no volumes: see its sessions.",
  manipulation: "No codes were moved for this subject.",
  interpolation: "This subject has no two test sessions to interpolate between.",
  variation: "No samples were drawn for this subject.",
};
// Of a difference: the smaller, the darker; what is below the range has the first entry, which is clear.
const COLOURS = {
  brighter: { R: [0, 70, 240, 255], G: [0, 0, 70, 255], B: [0, 10, 0, 130], A: [0, 255, 255, 255], I: [0, 1, 128, 255] },
  darker: { R: [0, 0, 0, 130], G: [0, 10, 110, 255], B: [0, 80, 255, 255], A: [0, 255, 255, 255], I: [0, 1, 128, 255] },
};
const LEVELS = 255, FAINTEST = 1 / 20, STRIKING = 0.99, DARKENED = 1.6, CROSSHAIR_MM = 0.7;
const state = { subject: 0, part: "reconstruction", which: 0, at: {}, beside: 0, plane: "multi", limit: {} };

// Volumes: bytes in the page, unpacked when first asked for, kept for the subject that is shown.
let unpacked = new Map();
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const voxels = (name) => {
  if (!unpacked.has(name)) {
    const packed = new Blob([bytesOf(element(name).textContent)]).stream();
    const whole = new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    unpacked.set(name, whole.then((buffer) => new Uint8Array(buffer)));
  }
  return unpacked.get(name);
};
const meanOf = async (names) => {
  const key = `mean of ${names}`;
  if (!unpacked.has(key)) {
    unpacked.set(key, Promise.all(names.map(voxels)).then((volumes) => volumes[0].map((_, i) => {
      let sum = 0;
      for (const volume of volumes) sum += volume[i];
      return Math.round(sum / volumes.length);
    })));
  }
  return unpacked.get(key);
};
const minus = (one, other) => Int16Array.from(one, (level, i) => level - other[i]);

// What each part shows: what may be chosen (`which`), slider positions, what it is compared with.
const number = (value, digits) => (value === null || value === undefined ? "not known" : value.toFixed(digits));
const monthOf = (months) => `month ${Number(months.toFixed(1))}`;
const described = (session) => [session.diagnosis, session.age === null ? null : `${number(session.age, 1)} years`].filter(Boolean).join(", ");
const readingOf = (read) => (read ? `Probes read a probability of AD of ${number(read.probability, 2)} and an age of ${number(read.age, 1)} years` : "");
const scanned = (subject) => subject.sessions.filter((session) => session.original);

const describe = {
  reconstruction(subject) {
    const sessions = scanned(subject);
    const session = sessions[state.which] ?? sessions[0];
    return session && {
      name: "Session",
      which: sessions.map((each) => each.session_id),
      steps: [{ made: session.reconstruction, caption: "Reconstruction", read: session.read }],
      beside: [{ name: "Original", caption: `Original, ${described(session)}`, volume: () => voxels(session.original) }],
    };
  },
  manipulation(subject) {
    const direction = subject.directions[state.which] ?? subject.directions[0];
    const still = direction?.steps.find((step) => step.at === 0);
    return direction && {
      name: "Direction",
      which: subject.directions.map((each) => each.label),
      slider: "Strength",
      start: direction.steps.length - 1,
      steps: direction.steps.map((step) => ({
        made: step.volume, read: step.read, tick: `${step.at}`, real: step.at === 0,
        caption: step.at ? `Moved by ${step.at > 0 ? "+" : "−"}${Math.abs(step.at)}` : "Not moved", said: `${step.at}`,
      })),
      beside: [
        { name: "Not moved", caption: "Not moved (strength 0)", volume: () => voxels(still.volume) },
        { name: "The scan", caption: "The scan itself", volume: () => voxels(scanned(subject)[0].original) },
      ],
    };
  },
  interpolation(subject) {
    const between = subject.interpolation;
    const real = between?.months;
    const places = between && (between.sessions.length === 3 ? [1, 0, 2] : [0, 1]);
    return between && {
      slider: "Time",
      start: between.steps.findIndex((step) => step.at === real[places[0]]),
      steps: between.steps.map((step) => ({
        made: step.volume, read: step.read, tick: `${Number(step.at.toFixed(1))}`, real: real.includes(step.at),
        caption: `Interpolated, ${monthOf(step.at)}`, said: monthOf(step.at),
      })),
      beside: places.map((place) => {
        const session = subject.sessions.find((each) => each.session_id === between.sessions[place]);
        const named = place === 0 ? "First" : place === between.sessions.length - 1 ? "Last" : "Middle";
        return { name: `${named}, ${monthOf(real[place])}`, caption: `Real, ${monthOf(real[place])}`, volume: () => voxels(session.original) };
      }),
    };
  },
  variation(subject) {
    return subject.samples.length > 0 && {
      slider: "Sample",
      start: 0,
      steps: subject.samples.map((step, i) => ({ made: step.volume, read: step.read, tick: `${i + 1}`, caption: `Sample ${i + 1}`, said: `${i + 1} of ${subject.samples.length}` })),
      beside: [
        { name: "Their mean", caption: "Mean of the samples", volume: () => meanOf(subject.samples.map((step) => step.volume)) },
        { name: "The scan", caption: "The scan itself", volume: () => voxels(scanned(subject)[0].original) },
      ],
    };
  },
};

// Viewers: NiiVue, three of them, that move together.
const fileOf = (header, array) => {
  const head = bytesOf(header);
  const file = new Uint8Array(head.length + array.byteLength);
  file.set(head);
  file.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), head.length);
  return file.buffer;
};

class View {
  constructor(id, overlaid) {
    this.figure = element(id);
    this.overlaid = overlaid;
    this.canvas = this.figure.querySelector("canvas");
  }

  async open() {
    this.viewer = new Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [0.35, 0.65, 1, 0.8], crosshairWidth: CROSSHAIR_MM, crosshairWidthUnit: "mm", show3Dcrosshair: true,
      dragAndDropEnabled: false, loadingText: "", logLevel: "silent", isOrientationTextVisible: true, fontColor: [0.75, 0.78, 0.85, 1],
      multiplanarPadPixels: 4, multiplanarShowRender: matchMedia(WIDE).matches ? 1 : 0, isRadiologicalConvention: false,
    });
    const resize = this.viewer.resizeListener.bind(this.viewer);
    this.viewer.resizeListener = () => { if (this.canvas.parentElement.offsetWidth) resize(); }; // else it complains
    await this.viewer.attachToCanvas(this.canvas, true);
    const voxelCount = content.shape.reduce((product, size) => product * size, 1);
    for (const [header, Levels] of this.overlaid ? [["scan", Uint8Array], ["difference", Int16Array]] : [["scan", Uint8Array]]) {
      const levels = Levels.from({ length: voxelCount }, (_, i) => i % LEVELS); // until there is something to show
      await this.viewer.loadFromArrayBuffer(fileOf(content.headers[header], levels), `${header}.nii`);
    }
    const [scan, difference] = this.viewer.volumes;
    Object.assign(scan, { colormap: "gray", cal_min: 0, cal_max: this.overlaid ? DARKENED : 1 });
    if (!difference) return;
    for (const [name, colours] of Object.entries(COLOURS)) this.viewer.addColormap(name, colours);
    Object.assign(difference, { colormap: "brighter", colormapNegative: "darker", opacity: 0.85 });
  }

  show(volumes, limit) {
    volumes.forEach((levels, i) => { this.viewer.volumes[i].img = levels; });
    if (this.overlaid) Object.assign(this.viewer.volumes[1], { cal_min: limit * FAINTEST, cal_max: limit });
    this.viewer.updateGLVolume();
  }

  say(caption, value) {
    this.figure.querySelector("strong").textContent = caption;
    this.figure.querySelector(".value").textContent = value;
  }
}

const views = [new View("view-first"), new View("view-second"), new View("view-difference", true)];
let opened, crosshair = content.shape.map((size) => Math.floor(size / 2)), arrays = null, captions = [];

const open = async () => {
  for (const view of views) await view.open();
  for (const view of views) {
    view.viewer.broadcastTo(views.filter((other) => other !== view).map((other) => other.viewer), { "2d": true, "3d": true, zoomPan: true });
    view.viewer.onLocationChange = (place) => {
      crosshair = Array.from(place.vox, Math.round);
      sayValues();
    };
  }
};

const sayValues = () => {
  if (!arrays) return;
  const [x, y, z] = crosshair, [X, Y] = content.shape;
  const values = arrays.map((array) => array[x + X * (y + Y * z)] / LEVELS);
  views.forEach((view, i) => view.say(captions[i], `${i === 2 && values[i] > 0 ? "+" : ""}${values[i].toFixed(3)}`));
};

// The colours' range: what all but the most striking voxels of the slider's ends stay within.
const suggestedLimit = async (steps, first) => {
  let limit = 0;
  for (const step of new Set([steps[0], steps.at(-1)])) {
    const counts = new Uint32Array(LEVELS + 1), made = await voxels(step.made);
    let inside = 0;
    for (let i = 0; i < made.length; i++) if (made[i] || first[i]) { counts[Math.abs(made[i] - first[i])]++; inside++; }
    let level = 0, below = counts[0];
    while (level < LEVELS && below < STRIKING * inside) below += counts[++level];
    limit = Math.max(limit, level / LEVELS);
  }
  return Math.min(0.5, Math.max(0.02, Math.ceil(limit * 100) / 100));
};

const choices = (id, names, chosen, choose) => {
  const host = element(`${id}-choice`), focused = [...host.children].indexOf(document.activeElement);
  host.replaceChildren(...names.map((name, i) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.setAttribute("aria-pressed", i === chosen);
    button.addEventListener("click", () => choose(i));
    return button;
  }));
  host.children[focused]?.focus();
};

const drawControls = (part) => {
  element("which").hidden = !part.which;
  element("which-name").textContent = part.name ?? "";
  choices("which", part.which ?? [], state.which, (i) => set({ which: i }));
  element("along").hidden = !part.slider;
  element("beside").hidden = part.beside.length < 2;
  choices("beside", part.beside.map((each) => each.name), state.beside, (i) => set({ beside: i }));
  if (!part.slider) return;
  const last = part.steps.length - 1;
  Object.assign(element("slider"), { max: last, value: state.at[state.part] });
  element("slider-name").textContent = part.slider;
  element("slider").setAttribute("aria-valuetext", part.steps[state.at[state.part]].said);
  element("position").textContent = part.steps[state.at[state.part]].said;
  element("ticks").replaceChildren(...part.steps.map((step, i) => {
    const tick = Object.assign(document.createElement("span"), { textContent: step.tick, className: step.real ? "real" : "" });
    tick.style.left = `${last ? (100 * i) / last : 50}%`;
    return tick;
  }));
};

const drawNumbers = (first, made, step) => {
  let inside = 0, sum = 0, largest = 0;
  for (let i = 0; i < made.length; i++) {
    const off = Math.abs(made[i] - first[i]);
    if (made[i] || first[i]) inside++;
    sum += off;
    if (off > largest) largest = off;
  }
  const mean = inside ? sum / inside / LEVELS : 0;
  const read = readingOf(step.read);
  element("numbers").textContent = `Difference where either is not 0: ${mean.toFixed(4)} on average, ${(largest / LEVELS).toFixed(3)} at most. ${read ? `${read}.` : ""}`;
};

const figureRow = (figure) => {
  const row = document.createElement("tr");
  for (const text of [figure.label, figure.value, figure.bounds]) row.insertCell().textContent = text;
  if (figure.beyond) row.cells[1].className = "beyond";
  return row;
};

const drawSessions = (subject) => element("sessions").replaceChildren(...subject.sessions.map((session) => {
  const article = Object.assign(document.createElement("article"), { className: "session" });
  const heading = document.createElement("header");
  const badge = Object.assign(document.createElement("span"), { className: session.excluded ? "badge lost" : "badge", textContent: session.excluded ? `excluded: ${session.excluded}` : "kept" });
  heading.append(
    Object.assign(document.createElement("h2"), { textContent: session.session_id }), badge,
    Object.assign(document.createElement("p"), { textContent: [described(session), readingOf(session.read)].filter(Boolean).join(". ") }),
  );
  const picture = document.createElement("div");
  if (session.picture) {
    picture.append(
      Object.assign(new Image(), { src: element(session.picture).textContent, alt: `${session.session_id}: slices of the head with the brain outlined, and of the volume with the template outlined` }),
      Object.assign(document.createElement("p"), { className: "legend", textContent: "Above the head with the brain found in it in red, below the volume that models read with the template’s outline in green." }),
    );
  } else picture.append(Object.assign(document.createElement("p"), { className: "absent", textContent: "Preprocessing left no picture of it." }));
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const text of ["Figure", "Value", "Bounds"]) head.append(Object.assign(document.createElement("th"), { textContent: text, scope: "col" }));
  table.createTBody().append(...session.figures.map(figureRow));
  article.append(heading, picture, table);
  return article;
}));

const drawSubject = (subject) => {
  element("subject").value = subject.participant_id;
  element("previous").disabled = state.subject === 0;
  element("next").disabled = state.subject === content.subjects.length - 1;
  const ages = subject.sessions.map((session) => session.age).filter((age) => age !== null);
  const first = subject.sessions.find((session) => session.diagnosis);
  const count = subject.sessions.length;
  element("facts").textContent = [
    { F: "female", M: "male" }[subject.sex], first?.diagnosis, `${count} session${count === 1 ? "" : "s"}`,
    ages.length ? `${[...new Set([Math.min(...ages), Math.max(...ages)].map((age) => number(age, 1)))].join(" to ")} years` : null,
    subject.split ? `split: ${subject.split}` : null,
  ].filter(Boolean).join(" · ");
};

const drawVolumes = async (part, still) => {
  const step = part.steps[state.at[state.part] ?? 0], beside = part.beside[state.beside] ?? part.beside[0];
  const [first, made] = await Promise.all([beside.volume(), voxels(step.made)]);
  const key = keyOfLimit();
  state.limit[key] ??= await suggestedLimit(part.steps, first);
  await (opened ??= open());
  if (!still()) return;
  const difference = minus(made, first), limit = state.limit[key];
  arrays = [first, made, difference];
  captions = [beside.caption, step.caption, "Second minus first"];
  views[0].show([first]);
  views[1].show([made]);
  views[2].show([first, difference], limit);
  element("limit").value = Math.round(limit * 100);
  element("limit-value").textContent = `±${limit.toFixed(2)}`;
  element("problem").hidden = true;
  sayValues();
  drawNumbers(first, made, step);
  element("viewing").dataset.shown = `${state.part} ${step.made} ${state.beside} ${limit}`;
};

let turn = 0;
const update = async () => {
  const mine = ++turn, still = () => mine === turn, subject = content.subjects[state.subject];
  drawSubject(subject);
  for (const tab of document.querySelectorAll('[role="tab"]')) {
    const selected = tab.dataset.part === state.part;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
    if (selected) element("panel").setAttribute("aria-labelledby", tab.id);
  }
  const part = describe[state.part]?.(subject);
  element("sessions").hidden = state.part !== "sessions";
  element("viewing").classList.toggle("away", !part); // hidden viewers would be resized to nothing
  element("absent").hidden = Boolean(part) || state.part === "sessions";
  element("absent").textContent = ABSENT[state.part] ?? "";
  for (const text of document.querySelectorAll(".what")) text.hidden = text.dataset.of !== state.part;
  if (state.part === "sessions") drawSessions(subject);
  if (!part) return;
  state.at[state.part] = Math.min(state.at[state.part] ?? part.start ?? 0, part.steps.length - 1);
  drawControls(part);
  try {
    await drawVolumes(part, still);
  } catch (problem) {
    opened = undefined;
    element("problem").hidden = false;
    element("problem").textContent = `The volumes cannot be shown: ${problem.message} Viewers need WebGL 2; the sessions’ pictures do without.`;
  }
};

const keyOfLimit = () => `${state.subject} ${state.part} ${state.beside}`;
const remember = () => history.replaceState(null, "", `#${content.subjects[state.subject].participant_id}/${state.part}`);
const set = (changes) => {
  Object.assign(state, changes);
  return update();
};
const turnTo = (subject) => {
  unpacked = new Map();
  set({ subject, which: 0, beside: 0, at: {} });
  remember();
};
const lookAt = (part) => {
  set({ part, which: 0, beside: 0 });
  remember();
};
const showPlane = () => {
  const [, , kind] = PLANES.find(([name]) => name === state.plane);
  choices("plane", PLANES.map(([, label]) => label), PLANES.findIndex(([name]) => name === state.plane), (i) => {
    state.plane = PLANES[i][0];
    showPlane();
  });
  document.querySelector(".views").classList.toggle("single", state.plane !== "multi");
  opened?.then(() => views.forEach((view) => view.viewer.setSliceType(kind)));
};

const start = () => {
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  for (const tab of tabs) {
    tab.addEventListener("click", () => lookAt(tab.dataset.part));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) tabs.at((tabs.indexOf(tab) + step) % tabs.length).focus();
    });
  }
  element("subject").addEventListener("change", (event) => turnTo(event.target.selectedIndex));
  element("previous").addEventListener("click", () => turnTo(state.subject - 1));
  element("next").addEventListener("click", () => turnTo(state.subject + 1));
  element("slider").addEventListener("input", (event) => set({ at: { ...state.at, [state.part]: Number(event.target.value) } }));
  element("limit").addEventListener("input", (event) => set({ limit: { ...state.limit, [keyOfLimit()]: event.target.value / 100 } }));
  element("crosshair").addEventListener("change", (event) => opened?.then(() => views.forEach(({ viewer }) => {
    Object.assign(viewer.opts, { crosshairWidth: event.target.checked ? CROSSHAIR_MM : 0, show3Dcrosshair: event.target.checked });
    viewer.drawScene();
  })));
  element("smooth").addEventListener("change", (event) => opened?.then(() => views.forEach(({ viewer }) => viewer.setInterpolation(!event.target.checked))));
  matchMedia(PHONE).addEventListener("change", (event) => opened?.then(() => views.forEach(({ viewer }) => {
    viewer.opts.multiplanarShowRender = event.matches ? 0 : 1;
    viewer.drawScene();
  })));
  const [participant, part] = decodeURIComponent(location.hash.slice(1)).split("/");
  const found = content.subjects.findIndex((subject) => subject.participant_id === participant);
  Object.assign(state, { subject: Math.max(found, 0), part: PARTS.includes(part) ? part : scanned(content.subjects[Math.max(found, 0)]).length ? "reconstruction" : "sessions" });
  update().then(showPlane);
};

if (content.subjects.length) start();
