metadata description = 'A workbook with the main figures: what is found, how fast, and whether all is well.'

@description('Required. Region.')
param location string

@description('Required. Tags of all resources.')
param tags object

@description('Required. Name of the Log Analytics workspace.')
param workspaceName string

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(workspace.id, 'stopgap')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Stopgap'
    category: 'workbook'
    sourceId: workspace.id
    serializedData: loadTextContent('workbook.json')
    version: '1.0'
  }
}
