targetScope = 'subscription'

metadata name = 'Stopgap'
metadata description = 'What Stopgap runs on: one resource group with all that is in it. What it needs elsewhere, roles and events, is in access.bicep and events.bicep, which come after it.'

@minLength(1)
@maxLength(40)
@description('Required. Name of the environment: the resource group is named by it, and what is unique in the tenant.')
param environmentName string

@minLength(1)
@metadata({ azd: { type: 'location' } })
@description('Required. Region of all that has one.')
param location string

@description('Optional. Name of the resource group. Default: `rg-stopgap-` and the environment\'s name.')
param resourceGroupName string = 'rg-stopgap-${environmentName}'

@minLength(1)
@description('Optional. Ids of the subscriptions to watch. Default: the one that is deployed to.')
param subscriptions string[] = [subscription().subscriptionId]

@allowed(['observe', 'notify', 'deallocate'])
@description('Optional. What is done about a VM left Stopped: `observe`, `notify` or `deallocate`. Default: `notify`.')
param mode string = 'notify'

@description('Optional. Stopped time tolerated before a flag, such as `15m` or `6h`. Default: `15m`.')
param grace string = '15m'

@description('Optional. In mode `deallocate`: time between the notice and the deallocation. Default: `1h`.')
param warning string = '1h'

@description('Optional. Whether VMs may be deallocated at all; only then is the app granted the right to. Default: false.')
param allowDeallocate bool = false

@minValue(0)
@maxValue(1000)
@description('Optional. The most deallocations within an hour, of all subscriptions together. Default: 20.')
param maxDeallocationsPerHour int = 20

@description('Optional. When all VMs are observed, in NCRONTAB, UTC. Default: every 15 minutes.')
param sweepSchedule string = '0 */15 * * * *'

@description('Optional. How long transitions, episodes and log entries are kept, such as `400d`. Default: `400d`.')
param retention string = '400d'

@minLength(3)
@maxLength(3)
@description('Optional. Currency of the costs that are shown, by its three letters. Default: `USD`.')
param currency string = 'USD'

@description('Optional. Whether the name of who called Azure is kept, which is personal data. Default: false.')
param keepCaller bool = false

@description('Optional. Object id of who may read the ledger and the queues, so that doctor can. Empty: nobody. Default: empty.')
param readerId string = ''

@secure()
@description('Optional. Webhook of Slack or Teams that notices go to: its address, or a reference to it in a key vault. Default: none.')
param webhookUrl string = ''

@description('Optional. Client id of the app registration that people sign in by. Empty: who has a function key may call. Default: empty.')
param signInClientId string = ''

@description('Optional. E-mail address that alerts go to. Empty: they are in the portal only. Default: empty.')
param alertEmail string = ''

@allowed(['PT1H', 'PT2H', 'PT3H', 'PT6H', 'P1D', 'P2D'])
@description('Optional. How far back alerts on what is due and not done look: twice the period of `sweepSchedule` and half an hour, or more. Default: `PT1H`.')
param alertLookBack string = 'PT1H'

@description('Optional. Whether storage is reached over private endpoints alone. Default: false.')
param privateNetworking bool = false

@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
@description('Optional. How the storage account keeps copies. Default: `Standard_LRS`.')
param storageSku string = 'Standard_LRS'

@allowed([512, 2048, 4096])
@description('Optional. Memory of an instance of the app, in MB. Default: 2048.')
param instanceMemoryMB int = 2048

@minValue(40)
@maxValue(1000)
@description('Optional. The most instances of the app. Default: 40.')
param maximumInstanceCount int = 40

@minValue(30)
@maxValue(730)
@description('Optional. How many days logs and metrics are kept. Default: 30.')
param logRetentionInDays int = 30

var tags = { 'azd-env-name': environmentName }
var token = toLower(uniqueString(subscription().id, environmentName, location))

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module identities 'identities.bicep' = {
  name: 'stopgap-identities'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'stopgap-monitoring'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    retentionInDays: logRetentionInDays
    principalId: identities.outputs.appPrincipalId
  }
}

module storage 'storage.bicep' = {
  name: 'stopgap-storage'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    sku: storageSku
    privateNetworking: privateNetworking
    principalId: identities.outputs.appPrincipalId
    readerId: readerId
  }
}

module network 'network.bicep' = if (privateNetworking) {
  name: 'stopgap-network'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    storageAccountName: storage.outputs.name
  }
}

module topic 'topic.bicep' = {
  name: 'stopgap-topic'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    principalId: identities.outputs.appPrincipalId
  }
}

module app 'app.bicep' = {
  name: 'stopgap-app'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    identityName: identities.outputs.appName
    signInIdentityName: identities.outputs.signInName
    storageAccountName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    insightsName: monitoring.outputs.insightsName
    subnetId: network.?outputs.?appSubnetId ?? ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    signInClientId: signInClientId
    webhookUrl: webhookUrl
    settings: {
      STOPGAP_SUBSCRIPTIONS: join(subscriptions, ',')
      STOPGAP_MODE: mode
      STOPGAP_GRACE: grace
      STOPGAP_WARNING: warning
      STOPGAP_ALLOW_DEALLOCATE: toLower(string(allowDeallocate))
      STOPGAP_MAX_DEALLOCATIONS_PER_HOUR: string(maxDeallocationsPerHour)
      STOPGAP_SWEEP_SCHEDULE: sweepSchedule
      STOPGAP_RETENTION: retention
      STOPGAP_CURRENCY: currency
      STOPGAP_KEEP_CALLER: toLower(string(keepCaller))
      STOPGAP_ARM_ENDPOINT: environment().resourceManager
      STOPGAP_TOPIC_ENDPOINT: topic.outputs.endpoint
    }
  }
}

module alerts 'alerts.bicep' = {
  name: 'stopgap-alerts'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceName: monitoring.outputs.workspaceName
    email: alertEmail
    lookBack: alertLookBack
  }
}

module workbook 'workbook.bicep' = {
  name: 'stopgap-workbook'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: monitoring.outputs.workspaceName
  }
}

@description('Id of the tenant.')
output AZURE_TENANT_ID string = tenant().tenantId

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the function app.')
output STOPGAP_FUNCTION_APP string = app.outputs.name

@description('ARM id of the function app.')
output STOPGAP_FUNCTION_APP_ID string = app.outputs.id

@description('Address of the function app.')
output STOPGAP_ADDRESS string = app.outputs.address

@description('Object id of the identity that the app asks Azure by.')
output STOPGAP_PRINCIPAL_ID string = identities.outputs.appPrincipalId

@description('Object id of the identity that stands in for a secret of the app registration.')
output STOPGAP_SIGN_IN_PRINCIPAL_ID string = identities.outputs.signInPrincipalId

@description('ARM id of the storage account.')
output STOPGAP_STORAGE_ACCOUNT_ID string = storage.outputs.id

@description('Container of what Event Grid could not deliver.')
output STOPGAP_DEAD_LETTER_CONTAINER string = storage.outputs.deadLetterContainer

@description('ARM id of the action group that alerts go to.')
output STOPGAP_ACTION_GROUP_ID string = alerts.outputs.actionGroupId
