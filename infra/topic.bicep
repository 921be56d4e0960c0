metadata description = 'The custom topic that notices for systems go to.'

@description('Required. Region.')
param location string

@description('Required. Tags of all resources.')
param tags object

@description('Required. What makes names unique.')
param token string

@description('Required. Object id of the identity that may send.')
param principalId string

var builtin = loadJsonContent('builtin-roles.json')

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-stopgap-${token}'
  location: location
  tags: tags
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(topic.id, principalId, builtin['EventGrid Data Sender'])
  scope: topic
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtin['EventGrid Data Sender']
    )
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('Address that events are sent to.')
output endpoint string = topic.properties.endpoint
