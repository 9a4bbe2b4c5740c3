// MLflow's pages differ only behind the '#', which no server sees: carry it over the sign-in.
const next = document.querySelector('input[name="next"]');
if (next && location.hash && !next.value.includes('#')) next.value += location.hash;
