metadata description = 'What the app itself does with its ledger and its queues, granted on the storage account.'

@description('Required. Name of the environment.')
param environmentName string

@description('Required. Object id of the identity that the app works by.')
param principalId string

@description('Required. Name of the storage account.')
param storageAccountName string

var role = loadJsonContent('../roles.json').storage

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, environmentName, 'storage')
  properties: {
    // The names of custom roles are unique in the tenant.
    roleName: '${role.name} (${environmentName} ${subscription().subscriptionId})'
    description: role.description
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: role.actions
        dataActions: role.dataActions
      }
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, environmentName, 'storage', principalId)
  scope: account
  properties: {
    roleDefinitionId: definition.id
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'Stopgap: storage'
  }
}
