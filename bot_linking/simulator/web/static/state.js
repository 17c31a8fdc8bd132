// The conversation that the page shows.

export const state = { psid: "", after: 0, version: -1, wire: 0, asking: null, lastAt: 0, lastFrom: "", linked: {}, people: [] };

export const person = () => state.people.find((each) => each.psid === state.psid);
