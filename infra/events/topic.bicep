metadata description = 'A system topic that is made for Stopgap, with an identity for its dead letters.'

@description('Required. Name of the topic.')
param name string

@description('Required. Type of the topic, such as `Microsoft.Resources.Subscriptions`.')
param topicType string

@description('Required. Tags of all resources.')
param tags object

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: 'global'
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: subscription().id
    topicType: topicType
  }
}
