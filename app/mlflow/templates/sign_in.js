// MLflow's pages differ only behind the '#', which no server sees: carry it over the sign-in.
const next = document.querySelector('input[name="next"]');
if (next && location.hash && !next.value.includes('#')) next.value += location.hash;
// Telemetry is off at this server, whatever a browser says; MLflow's pages would ask all the same.
localStorage.setItem('mlflow.settings.telemetry.enabled_v1', 'false');
localStorage.setItem('mlflow.telemetry.info.alert.dismissed_v1', 'true');
// The assistant runs commands at the server and is off too; its panel would open at the first visit.
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
