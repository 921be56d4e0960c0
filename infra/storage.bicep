metadata description = 'The one storage account: ledger, queues, the app\'s package, dead letters. It knows no keys.'

@description('Required. Region.')
param location string

@description('Required. Tags of all resources.')
param tags object

@description('Required. What makes names unique.')
param token string

@description('Required. How copies are kept.')
param sku string

@description('Required. Whether it is reached over private endpoints alone.')
param privateNetworking bool

@description('Required. Object id of the identity that the app and its host work by.')
param principalId string

@description('Required. Object id of who may read the ledger and the queues; empty: nobody.')
param readerId string

var builtin = loadJsonContent('builtin-roles.json')

// The names are those in the code. The host makes a `-poison` queue when it first needs it; it is here so that
// nobody has to tell apart an empty one from none.
var queueNames = ['looks', 'deallocations', 'sweeps', 'looks-poison', 'deallocations-poison', 'sweeps-poison']

// What the host needs to run the app: its locks, timers and keys are blobs, and it takes messages off the queues
// and makes them poison. What the app itself does here is in roles.json and access.bicep.
var hostRoles = ['Storage Blob Data Owner', 'Storage Queue Data Contributor']

var readerRoles = empty(readerId) ? [] : ['Storage Queue Data Reader', 'Storage Table Data Reader']

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'st${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      // Event Grid, which is trusted by its topics' identities, puts dead letters here whatever the default.
      bypass: 'AzureServices'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource deployment 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobs
  name: 'deployment'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobs
  name: 'dead-letters'
}

// They name people (claims of who called Azure), and replay is of use while the ledger remembers.
resource forgets 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'dead-letters'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob', 'appendBlob']
              prefixMatch: ['${deadLetters.name}/']
            }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 90 } } }
          }
        }
      ]
    }
  }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [
  for name in queueNames: {
    parent: queueService
    name: name
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource ledger 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = {
  parent: tableService
  name: 'ledger'
}

resource hosts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in hostRoles: {
    name: guid(account.id, principalId, builtin[role])
    scope: account
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtin[role])
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in readerRoles: {
    name: guid(account.id, readerId, builtin[role])
    scope: account
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtin[role])
      principalId: readerId
    }
  }
]

@description('Name of the account.')
output name string = account.name

@description('Its ARM id.')
output id string = account.id

@description('Container of the app\'s package.')
output deploymentContainer string = deployment.name

@description('Container of what Event Grid could not deliver.')
output deadLetterContainer string = deadLetters.name
