metadata description = 'A topic may write what it could not deliver, into one container. The role has its name from whom it is given to, so that a topic that is made anew gets one of its own.'

@description('Required. Name of the storage account.')
param storageAccountName string

@description('Required. Name of the container.')
param container string

@description('Required. Object id of the topic\'s identity.')
param principalId string

var builtin = loadJsonContent('../builtin-roles.json')

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  name: '${storageAccountName}/default/${container}'
}

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, principalId, builtin['Storage Blob Data Contributor'])
  scope: deadLetters
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtin['Storage Blob Data Contributor']
    )
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
