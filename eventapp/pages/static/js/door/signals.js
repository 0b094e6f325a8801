// Makes an answer heard and felt: a sound and a vibration of its own for each tone.

const SOUNDS = {
  good: { notes: [[880, 0, 0.12], [1320, 0.12, 0.18]], vibration: [80] },
  warn: { notes: [[520, 0, 0.15], [520, 0.22, 0.15]], vibration: [120, 80, 120] },
  bad: { notes: [[220, 0, 0.6]], vibration: [400] },
};
let audio = null;

// Browsers allow sound only after the person has touched the page.
export function allowSound() {
  audio ||= new AudioContext();
  if (audio.state === "suspended") audio.resume();
}

export function signal(tone) {
  const { notes, vibration } = SOUNDS[tone];
  // Before the first touch, browsers refuse to vibrate and say so in the console.
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(vibration);
  if (audio?.state !== "running") return;
  for (const [frequency, start, length] of notes) play(frequency, audio.currentTime + start, length);
}

function play(frequency, start, length) {
  const oscillator = new OscillatorNode(audio, { frequency, type: "square" });
  const gain = new GainNode(audio, { gain: 0.25 });
  gain.gain.setTargetAtTime(0, start + length - 0.03, 0.01);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(start);
  oscillator.stop(start + length);
}
