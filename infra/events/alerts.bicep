metadata description = 'Alerts on what Event Grid gives up of what Stopgap has subscribed to, and of nobody else\'s.'

@description('Required. Name of the system topic.')
param topicName string

@description('Required. Tags of all resources.')
param tags object

@description('Required. ARM id of the action group that alerts go to.')
param actionGroupId string

@description('Required. Names of the event subscriptions.')
param eventSubscriptionNames string[]

var alerts = [
  {
    name: 'dead-letters'
    description: 'Event Grid gave up on events, and kept them.'
    metric: 'DeadLetteredCount'
    above: 0
    severity: 1
  }
  {
    name: 'dropped-events'
    description: 'Event Grid gave up on events, and could not keep them.'
    metric: 'DroppedEventCount'
    above: 0
    severity: 1
  }
  {
    name: 'delivery-failures'
    description: 'Event Grid cannot hand events over.'
    metric: 'DeliveryAttemptFailCount'
    above: 10
    severity: 2
  }
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource rules 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in alerts: {
    name: 'stopgap-${alert.name}-${uniqueString(topic.id, join(eventSubscriptionNames, ','))}'
    location: 'global'
    tags: tags
    properties: {
      description: '${alert.description} What to do: docs/operations.md, "${alert.name}".'
      severity: alert.severity
      enabled: true
      autoMitigate: true
      scopes: [topic.id]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: alert.name
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: alert.metric
            dimensions: [
              {
                name: 'EventSubscriptionName'
                operator: 'Include'
                values: eventSubscriptionNames
              }
            ]
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: alert.above
          }
        ]
      }
      actions: [{ actionGroupId: actionGroupId }]
    }
  }
]
