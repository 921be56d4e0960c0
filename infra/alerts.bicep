metadata description = 'Alerts on what the app tells of itself. A query shows what is wrong: one row, and the alert fires. docs/operations.md has a section for each, by its name.'

@description('Required. Region.')
param location string

@description('Required. Tags of all resources.')
param tags object

@description('Required. What makes names unique.')
param token string

@description('Required. Name of the Log Analytics workspace.')
param workspaceName string

@description('Required. E-mail address that alerts go to; empty: they are in the portal only.')
param email string

@description('Required. How far back those alerts look that read what is measured with each schedule of sweeps.')
param lookBack string

var rules = [
  {
    name: 'function-failures'
    description: 'Functions of the app failed several times.'
    query: loadTextContent('alerts/function-failures.kql')
    severity: 2
    window: 'PT15M'
  }
  {
    name: 'poison-messages'
    description: 'The host gave up on messages of a queue.'
    query: loadTextContent('alerts/poison-messages.kql')
    severity: 1
    window: lookBack
  }
  {
    name: 'queue-age'
    description: 'Messages of a queue are due for long, and nobody is at work on them.'
    query: loadTextContent('alerts/queue-age.kql')
    severity: 2
    window: lookBack
  }
  {
    name: 'no-sweep'
    description: 'No sweep of a subscription was completed in two periods, or the app says nothing of itself.'
    query: loadTextContent('alerts/no-sweep.kql')
    severity: 1
    window: lookBack
  }
]

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
}

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-stopgap-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'stopgap'
    emailReceivers: empty(email)
      ? []
      : [
          {
            name: 'operators'
            emailAddress: email
            useCommonAlertSchema: true
          }
        ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: 'stopgap-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Stopgap: ${rule.name}'
      description: '${rule.description} What to do: docs/operations.md, "${rule.name}".'
      severity: rule.severity
      enabled: true
      autoMitigate: true
      scopes: [workspace.id]
      evaluationFrequency: 'PT15M'
      windowSize: rule.window
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: { actionGroups: [group.id] }
      // The tables of a new workspace come with the first row.
      skipQueryValidation: true
    }
  }
]

@description('ARM id of the action group.')
output actionGroupId string = group.id
