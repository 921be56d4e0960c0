using 'main.bicep'

// azd hands its environment over: `azd env set STOPGAP_GRACE 6h`, then `azd provision`. docs/deploy.md tells of each.
// One that was taken back is empty and not missing.
var watched = readEnvironmentVariable('STOPGAP_SUBSCRIPTIONS', '')

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param resourceGroupName = readEnvironmentVariable(
  'AZURE_RESOURCE_GROUP',
  'rg-stopgap-${readEnvironmentVariable('AZURE_ENV_NAME')}'
)
param subscriptions = split(empty(watched) ? readEnvironmentVariable('AZURE_SUBSCRIPTION_ID', '') : watched, ',')
param mode = readEnvironmentVariable('STOPGAP_MODE', 'notify')
param grace = readEnvironmentVariable('STOPGAP_GRACE', '15m')
param warning = readEnvironmentVariable('STOPGAP_WARNING', '1h')
param allowDeallocate = bool(readEnvironmentVariable('STOPGAP_ALLOW_DEALLOCATE', 'false'))
param maxDeallocationsPerHour = int(readEnvironmentVariable('STOPGAP_MAX_DEALLOCATIONS_PER_HOUR', '20'))
param sweepSchedule = readEnvironmentVariable('STOPGAP_SWEEP_SCHEDULE', '0 */15 * * * *')
param retention = readEnvironmentVariable('STOPGAP_RETENTION', '400d')
param currency = readEnvironmentVariable('STOPGAP_CURRENCY', 'USD')
param keepCaller = bool(readEnvironmentVariable('STOPGAP_KEEP_CALLER', 'false'))
param readerId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param webhookUrl = readEnvironmentVariable('STOPGAP_WEBHOOK_URL', '')
param signInClientId = readEnvironmentVariable('STOPGAP_SIGN_IN_CLIENT_ID', '')
param alertEmail = readEnvironmentVariable('STOPGAP_ALERT_EMAIL', '')
param alertLookBack = readEnvironmentVariable('STOPGAP_ALERT_LOOK_BACK', 'PT1H')
param privateNetworking = bool(readEnvironmentVariable('STOPGAP_PRIVATE_NETWORKING', 'false'))
param storageSku = readEnvironmentVariable('STOPGAP_STORAGE_SKU', 'Standard_LRS')
param instanceMemoryMB = int(readEnvironmentVariable('STOPGAP_INSTANCE_MEMORY_MB', '2048'))
param maximumInstanceCount = int(readEnvironmentVariable('STOPGAP_MAXIMUM_INSTANCE_COUNT', '40'))
param logRetentionInDays = int(readEnvironmentVariable('STOPGAP_LOG_RETENTION_IN_DAYS', '30'))
