/** The least that a Worker can do: what is measured is the runtime and its HTTP. */
export default {
  fetch() {
    return new Response(null, { status: 202 });
  },
};
